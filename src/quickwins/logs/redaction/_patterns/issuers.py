"""Who issues keys and what they look like: a row each, so that a new issuer is one line.

issuer | prefixes | alphabet | length of the rest | an example of the rest, made up | where that is documented

A `*` behind a prefix says that it runs on into the rest without a mark between them; a `+` behind a length, that there may be
more. No row holds a whole key, so that no scanner takes this file for a leak. The facts are the issuers' own; many stand in
gitleaks' rules and in GitHub's list of supported secrets too.
"""

from __future__ import annotations

from dataclasses import dataclass

ALPHABETS = {
    "hex": "[0-9a-f]",
    "HEX": "[0-9a-fA-F]",
    "lower": "[a-z0-9]",
    "upper": "[A-Z0-9]",
    "base32": "[A-Z0-9]",
    "alnum": "[A-Za-z0-9]",
    "word": r"\w",
    "url": r"[\w-]",
    "dotted": r"[\w.-]",
    "base64": r"[\w+/=-]",
    "slack": r"[A-Za-z0-9%/+-]",
    "dollar": r"[\w$]",
    "path": r"[\w/@.-]",
    "dashed": "[A-Z0-9-]",
    "uuid": "[0-9a-f-]",
}
"""What a key is written with, by the names in the table."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A row of the table.

    Attributes:
        name: Who issues it.
        prefixes: What it begins with.
        glued: Whether the prefix runs on into the rest.
        alphabet: A pattern for one character of the rest.
        least: The least characters of the rest.
        most: The most; `None`: any.
        example: A rest.
        source: Where this is documented.
    """

    name: str
    prefixes: tuple[str, ...]
    glued: bool
    alphabet: str
    least: int
    most: int | None
    example: str
    source: str


def _issuer(row: str) -> Issuer:
    name, prefixes, alphabet, length, example, source = (one.strip() for one in row.split("|"))
    least, dash, most = length.rstrip("+").partition("-")
    return Issuer(
        name,
        tuple(one.rstrip("*") for one in prefixes.split()),
        "*" in prefixes,
        ALPHABETS[alphabet],
        int(least),
        int(most) if dash else None if length.endswith("+") else int(least),
        example,
        source,
    )


ISSUERS = tuple(
    map(
        _issuer,
        """
AWS access key | AKIA ASIA ABIA ACCA AROA* AIDA* | base32 | 16 | B3SKCZTKMBF6JDPY | docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
AWS access key, older | A3T* | base32 | 17 | F3ADP4AP7ZDB3A7SB | docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
AWS session token | IQoJb3JpZ2luX2Vj* FwoGZXIvYXdz* | base64 | 60+ | BfS83Cedu3QlYJJJbgIQrBc5O/x2A7CzMp1GAawTCEe6OQxLdU+ZOxyR2Mwq | docs.aws.amazon.com/STS/latest/APIReference
AWS Bedrock | ABSK* | base64 | 60+ | IZu29XoqgHXN7RGKNLI5MP2rdfqr6R7wIH3qS3205ZxauEKa4Ca9/3r4cXeU | docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
AWS Bedrock, short-lived | bedrock-api-key- | base64 | 40+ | 1OWUyTC/BbE88rijjE2FdKmpSx5b/p7CXJ4rcChl | docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
AWS AppSync | da2- | lower | 26 | wltn9x6us8hc43so3vqysazuxc | docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
GitHub | ghp_ gho_ ghu_ ghs_ ghr_ | alnum | 20+ | yBMgaWPPyOWF74MguQG3 | github.blog/2021-04-05-behind-githubs-new-authentication-token-formats
GitHub, fine-grained | github_pat_ | word | 20+ | JSr3lpxGut6VkYi3EU5q | github.blog/2021-04-05-behind-githubs-new-authentication-token-formats
GitLab | glpat- gldt- glrt- glcbt- glptt- glft- glimt- glsoat- glagent- gloas- glffct- glrtr- glwt- | dotted | 16+ | T3wGa06qx7HdWyOS | docs.gitlab.com/security/tokens
GitLab runner registration | GR1348941* | url | 20 | JC9KmsGDZvdbf5IgKyQz | docs.gitlab.com/security/tokens
Slack | xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxc- xoxd- xoxe- xoxe. xapp- | slack | 10+ | 8XrvjZDw5r | api.slack.com/authentication/token-types
Stripe | sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ sk_org_ | alnum | 10+ | EOLXy8cFI3 | docs.stripe.com/keys
Stripe webhook | whsec_ | base64 | 16+ | mUxYkHrq/FmNGwDB | docs.stripe.com/webhooks
Google API key | AIza* | url | 30+ | q7QhNKAYJE3ZDda1RhUayZFQUzboYR | cloud.google.com/docs/authentication/api-keys
Google access token | ya29. ya29.c. ya29.a0 | dotted | 16+ | rhoL3fbolcHMvHm5 | developers.google.com/identity/protocols/oauth2
Google client secret | GOCSPX- | url | 20+ | OzBv3wRKv-vhqCdn18YI | developers.google.com/identity/protocols/oauth2
npm | npm_ | alnum | 30+ | m8PqBCB64fohOtqxBnkv5L2JCNwzDf | docs.npmjs.com/about-access-tokens
PyPI | pypi- | url | 30+ | CMplShiA40AE8FJj0wsdfs_MfmHz7h | pypi.org/help/#apitoken
RubyGems | rubygems_ | hex | 40+ | b2e58846831ce2db809dfb27645b7a905ceba5cf | guides.rubygems.org/api-key-scopes
crates.io | cio* | alnum | 32 | LiHx8YqD0h8zuDEzVJfxSJr4IkNpYlML | doc.rust-lang.org/cargo/reference/registry-authentication.html
NuGet | oy2* | lower | 43 | 0c3m92mcwbohqwnfbfpzdb4gq033pmr1tr5rkxajrxa | learn.microsoft.com/nuget/nuget-org/scoped-api-keys
SendGrid | SG. | dotted | 40+ | ufuezwIRXAh3jOEEOWFVRRh1TlF9XCHro40KQ_i6 | docs.sendgrid.com/ui/account-and-settings/api-keys
Twilio | SK* AC* | hex | 32 | 91e9d258048db6d83c2c503cb28b229a | twilio.com/docs/glossary/what-is-a-sid
Mailgun | key- pubkey- | hex | 32 | ad3dc049e1c08ed12a364f9bfedd4a7e | documentation.mailgun.com
Brevo | xkeysib- xsmtpsib- | url | 20+ | 1Xokg1XPR7-K4nUUy9n1 | developers.brevo.com
MailerSend | mlsn. | hex | 40+ | 57a91383156b39dbd78e7902824ff72ebc5b96a8 | developers.mailersend.com
Resend | re_ | word | 20-40 | 6H0WM8wXf7LDLDd94KGG | resend.com/docs
OpenAI, Anthropic and those that follow them | sk- | url | 20+ | lls9PTVLL1yOv5H2tL0s | platform.openai.com/docs/api-reference/authentication
Langfuse | pk-lf- sk-lf- | uuid | 36 | bc0c156e-8bed-2a02-94d8-faf5bb5155cd | langfuse.com/docs
Groq | gsk_ | alnum | 20+ | lB4TrO7t1IPq52HRUbNe | console.groq.com/docs
Hugging Face | hf_ api_org_ | alnum | 20+ | bTkw48CuhzQSHMDgm7S4 | huggingface.co/docs/hub/security-tokens
Replicate | r8_ | alnum | 20+ | 2JuGWIiX20Rid6gEEZ5d | replicate.com/docs
xAI | xai- | alnum | 20+ | g653nlvMdUVOnnS6owiQ | docs.x.ai
NVIDIA | nvapi- | url | 20+ | 7JVSykIPzJlER2Wow3j7 | build.nvidia.com
Perplexity | pplx- | alnum | 20+ | C2k3Ei29oJDrcWgvVm2A | docs.perplexity.ai
LangSmith | lsv2_pt_ lsv2_sk_ | word | 32+ | 9YhlnStQ0Dxwqk_AESiVKPSPLTTMsLxR | docs.smith.langchain.com
Pinecone | pcsk_ pckey_ | word | 40+ | 6JY97YiGqq9jpYUPIplYICCB7OcNLv5MUS47tCz5 | docs.pinecone.io
Tavily | tvly- tvly-dev- tvly-prod- | alnum | 20+ | 7Xh092bZWNXfb3ddtIQ4 | docs.tavily.com
Firecrawl | fc- | hex | 32 | 36fed2c9af2964e93e1d386930b6e38a | docs.firecrawl.dev
Fireworks | fw_ | alnum | 20+ | 1axDcqDmN6V7hJecFsTd | docs.fireworks.ai
Jina | jina_ | alnum | 40+ | CD4oCK0cbeyETHHEne6cRuIrKkSoGP4BbMzWB4MI | jina.ai
Voyage | pa- | url | 40+ | Mow73MvDSro3V5w3nSSVEESOVEJjnn-PD460PV43 | docs.voyageai.com
Weights & Biases | wandb_v1_ | url | 40+ | 5gz0nnAQfXu8dmPDYYp5JE0IzkPuuh2BNypoU4AF | docs.wandb.ai
Cerebras | csk- | lower | 40+ | k4o3j6p47evccno322z2nvipcjovzyg6cbhgpi14 | inference-docs.cerebras.ai
LlamaCloud | llx- | alnum | 40+ | SJH35itGPUy1PgDECIvSWA0Z7o0gFRLdLtDXlpKm | docs.cloud.llamaindex.ai
Modal | ak- as- wk- ws- | alnum | 22 | 4N01fHm49x2it4aktMlJmB | modal.com/docs
E2B | e2b_ | hex | 40 | 8e495d6dffc0d627cdb72d6abd3bbecabba1c9dc | e2b.dev/docs
Apify | apify_api_ apify_proxy_ | alnum | 30+ | YuFJI9Jyv1r965uQ4u6rRSIINweU9C | docs.apify.com
Browserbase | bb_live_ bb_test_ | url | 20+ | u245QLRMrXEHFQ-6O-ks | docs.browserbase.com
Unkey | unkey_ | alnum | 20+ | 3orP0yr58dgyzGKZzrZG | unkey.com/docs
ElevenLabs, WorkOS | sk_ | alnum | 40+ | UTTBn67s5gaju7CCbHEaKhl63MQASHoi7ouLtngY | elevenlabs.io/docs, workos.com/docs
Logfire | pylf_v1_ pylf_v1_us_ pylf_v1_eu_ pylf_v2_us_ pylf_v2_eu_ | alnum | 30+ | MzKc72NUHCjPkk87u3SysDltVylyAS | logfire.pydantic.dev/docs
Prefect | pnu_ pnb_ | alnum | 36 | awdmHtPIuLoXcictgn9aPWOw7hIWcT7cXndw | docs.prefect.io
dbt Cloud | dbtc_ dbtu_ dbts_ | url | 30+ | ysHh87xo5ff2wpSO64D_VQtpmyy9bJ | docs.getdbt.com
PostHog | phx_ phc_ phs_ | alnum | 40+ | Vonp0iUGYk8X0b0pVeDGyCWEeL28BsbviIRcf5OI | posthog.com/docs/api
New Relic | NRAK- NRII- NRJS- NRRA- NRBR- | url | 19+ | 114tqmQUtj2JXi6oaeL | docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys
Honeycomb | hcaik_ hcalk_ hcamk_ hcxik_ hcxlk_ hcxmk_ hcbik_ hcbmk_ | lower | 50+ | wb11tbay2l341iya6zjw1jeyewuz7x6v4sr2cxgsjkkmgf0yd0 | docs.honeycomb.io
Grafana | glsa_ glc_ glsb_ | base64 | 20+ | G/4wGZuUAfg0E/ruhcJo | grafana.com/docs/grafana/latest/administration/service-accounts
Sentry | sntrys_ sntryu_ sntrya_ sntryi_ | base64 | 20+ | 4nfj0TFsW8tNGxGVo/6Z | docs.sentry.io/account/auth-tokens
Dynatrace | dt0c01. dt0s01. dt0s02. dt0s08. dt0s16. | dotted | 40+ | HyUHpfCFHnWayF_8Itp2yI9v0b6UvO1pcMR7TORk | docs.dynatrace.com
LaunchDarkly | sdk- mob- | uuid | 36 | c8aba470-a6e1-cdde-764e-d7545b573f6a | docs.launchdarkly.com
Datadog | ddapp_ ddpat_ ddsat_ | alnum | 30+ | mssZrqUPwjeIfPG8F4CZu2LbxdOeoB | docs.datadoghq.com/account_management/api-app-keys
Rootly | rootly_ | hex | 40+ | cb6aa520e9a66436ade1b3cdc11809fafb95d99e | docs.rootly.com
Supabase | sbp_ | hex | 40 | 514b0b0391278bcdee6b32f5b12bb959b47f3c56 | supabase.com/docs
Supabase, new keys | sb_secret_ sb_publishable_ | url | 20+ | 2xX8-v-mM2lYcB-YxRmd | supabase.com/docs
Neon | napi_ | lower | 40+ | 46bv0qskzvj9gujg1lat2fdsoo6rvqs68hbt9oaz | neon.tech/docs
PlanetScale | pscale_tkn_ pscale_pw_ pscale_oauth_ | dotted | 30+ | GSNxtY08Zpt1hKSUU2pFokiqjumyKs | planetscale.com/docs
Doppler | dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit. dp.said. | dotted | 40+ | dIVrW5NtqVPozMOfPImr7s41XiJR-1lu1xz-1B4l | docs.doppler.com
Infisical | st. | dotted | 60+ | i0ZZ4_rBQlORpSsU9DcykeBrhpvAz4_snXm-Ky8LC8HZCTEc0o.Voli_fMM5 | infisical.com/docs
1Password secret key | A3- | dashed | 30-40 | QT4M2A-9KX3H7WZP1C-R8V5N-Y2B6D-J4F0G | support.1password.com/secret-key
1Password service account | ops_ ops_eyJ | base64 | 60+ | X9RXD7i6bSPurtXKcl3ItUVWJmt3OaLL/H2DLIyvlisrtaFyVuq9g3yGbklI | developer.1password.com/docs/service-accounts
HashiCorp Vault | hvs. hvb. hvr. | url | 20+ | MHrsQdYmXwwFDoAv311R | developer.hashicorp.com/vault/docs/concepts/tokens
HashiCorp Vault, before 1.10 | s. b. r. | alnum | 24 | 3qZAZ3LzWkNkVFICBSZwkYcG | developer.hashicorp.com/vault/docs/concepts/tokens
Pulumi | pul- | hex | 32+ | 17055faa8e88a6eafea101f8a22d865e | pulumi.com/docs
Fly | fm1_ fm2_ fm1r_ fm1a_ | base64 | 40+ | k3yDcxdeUVz607YmqAXUByDAhEOpv6Ra+Jhe/OUJ | fly.io/docs/security/tokens
Fly, older | fo1_ | url | 43 | DFelQ9Dnu98rxeRp8H97J9-77ZIVU-OLS6mRfofUuir | fly.io/docs/security/tokens
Render | rnd_ | alnum | 24+ | Z6focQnKauWuCU3VCg2FHcia | render.com/docs/api
Vercel | vercel_blob_rw_ vck_ vcp_ vca_ vcr_ vci_ | word | 24+ | tQJjX8giBRaj4WdIgJCI0NVB | vercel.com/docs
Netlify | nfp_ nfc_ nfo_ nfb_ nfu_ | alnum | 36 | KQ9NGquhcR5BvxIKmVHwDzTNDg43PiNaMURB | docs.netlify.com
Cloudflare | cfut_ cfat_ cfk_ | url | 40+ | 1CSg_CzZ01Du-yFhYKJcaqhGGfMXWTvXCYmn_irK | developers.cloudflare.com
Cloudflare Origin CA | v1.0- | url | 100+ | AG5LW1a-_ljBos3iczc0CJabL8jSFF8abyk5RJCEZRDq3oFBF58URGtyNoz_aJscDO21sZf2K59DFEkxRD-SaULHdp0cFfeVbkIS | developers.cloudflare.com/fundamentals/api/get-started/ca-keys
Heroku | HRKU-AA HRKU- | url | 36+ | tbHRb3KEE0p1jqhfKcnr-sZlzAbJNYprwEpF | devcenter.heroku.com/articles/authentication
Tailscale | tskey- | url | 16+ | dBHMTSg-W_W6DrY6 | tailscale.com/kb/1101/api
Docker | dckr_pat_ dckr_oat_ | url | 20+ | OzA4Ace-cmE1KZQDRZHX | docs.docker.com/security/access-tokens
OpenShift | sha256~ | url | 43 | 2qgfKg0-nuu-kzWzoY4PvTpVe7T0eQgZGsyAbn3JMXN | docs.redhat.com/openshift
Alibaba Cloud | LTAI* | alnum | 16-24 | 9w6Cm4BvSoejKiCg | alibabacloud.com/help/ram
Tencent Cloud | AKID* IKID* | alnum | 32 | fDkulz3nSTBCou9NEjbjfDYUM2nyoKDb | cloud.tencent.com/document/product/598
Scaleway | SCW* | upper | 17 | AO8XD6CQOP5WZURAW | scaleway.com/en/docs/iam
Yandex Cloud | t1. | dotted | 80+ | Zt9ndAsx4WtmB38FlLUv59BNzFWHFCx5WZ_Xl1aG55AIR2FoLuiIodRvVBuagHcTyT-U_IdFrWyi_M6s | yandex.cloud/en/docs/iam/concepts/authorization/iam-token
Yandex Cloud, keys | AQVN* YCAJE* YCP* | url | 35+ | 1Lk4MbQlePuHD7F53vXf4Nsn6ZMP6A5IONS | yandex.cloud/en/docs/iam
DigitalOcean | dop_v1_ doo_v1_ dor_v1_ | hex | 32+ | afa018ede98e79e156be7135cc302704 | docs.digitalocean.com/reference/api
Shopify | shpat_ shpca_ shppa_ shpss_ shptka_ shpua_ shprt_ | HEX | 32+ | 0fa1d450e63613a0f490be6cd1ad2ba6 | shopify.dev/docs/apps/build/authentication-authorization
age | AGE-SECRET-KEY-1 | upper | 40+ | WGZXUNH54Y4D0TCPTMZL9UNNPPO89KYZWEKJPXAF | age-encryption.org/v1
Linear | lin_api_ lin_oauth_ lin_wh_ | alnum | 20+ | qpMrighqbT6QXE20JD7E | linear.app/developers
Postman | PMAK- PMAT- | url | 20+ | nWMvVWKErkFILS-_SpFL | learning.postman.com/docs/developer/postman-api
Databricks | dapi* dkea* dose* | hex | 32 | ac7b36563062d875b5e5ba54a09e2818 | docs.databricks.com/en/dev-tools/auth
Atlassian | ATATT3* ATCTT3* ATSTT3* | base64 | 20+ | wFoitpugL6SXS5BtDQwt | support.atlassian.com
Bitbucket | ATBB* | alnum | 24+ | iGs7GdbPyCr6wQXo5Dujt0kS | support.atlassian.com/bitbucket-cloud/docs/app-passwords
Square | sq0atp- sq0csp- sq0idp- | url | 20+ | x8wl-5_VauxBvUfT86UC | developer.squareup.com/docs/build-basics/access-tokens
Square, new | EAAA* | url | 60 | PZhnSBHe1LN541TCZErGi5V0d26WLZ4XGSe5p3NUVwUstcmgI0gL9fJtMY4P | developer.squareup.com/docs/build-basics/access-tokens
Facebook | EAAM* EAAC* EAAG* EAAB* EAAD* EAAE* EAAH* EAAI* EAAJ* EAAL* EAAN* EAAO* | alnum | 60+ | Zs6JDqrmJ0LDob0Lq5dceiZId17EM2kE0CgBHquHqlbqRrdSUH0yC7zyupKw | developers.facebook.com/docs/facebook-login/guides/access-tokens
Instagram | IGQ* IGAA* | url | 100+ | z4XH9h96pUqSSdB3y_eF4W9cHADA3uhEuWRrNwRlN-CNIyHelVjmw3L87vkrGmixtd3uDqw6_ljZXp8vMPPFwQJc_OyC9Qq---xu | developers.facebook.com/docs/instagram-platform
Figma | figd_ figu_ figo_ figdr_ | url | 20+ | a7kq2Hbw1g6ZPsSpgdD0 | figma.com/developers/api
Notion | ntn_ secret_ | alnum | 32+ | uGgPcCGSVbg6YVKb5LHdAhLAyoi0PeDO | developers.notion.com
Airtable | pat* | dotted | 79 | fQbgBCeCLAKFoWp8q4hEbT2-v0n_-vZVQyxDVJMkbrpdvkt_L188pFAFlbrRia2K6_CA8Dz5DFnuNxx | airtable.com/developers/web/api/authentication
Typeform | tfp_ | dotted | 40+ | H6-ffw3owOpROabJMUa02GvpKrU6wsy20Ulhj0qP | typeform.com/developers
HubSpot | pat-na1- pat-na2- pat-eu1- pat-ap1- | uuid | 36 | 7d70373d-6607-bb47-2960-5081b1616204 | developers.hubspot.com
ClickUp | pk_ | word | 40+ | Yd1SdS4Viyb2hZFMXmaE6Xr7tCS_MI5KcvPAbDIE | clickup.com/api
Contentful | CFPAT- | url | 43 | rk-KdECjKRBRC1hqWeu0SHPlW1mAkGQSyXz8hfF-ihr | contentful.com/developers/docs/references/authentication
ReadMe | rdme_ | lower | 70 | dusn61bjt1jupe6a0p5ciqikwn1ugfm50sfg4bmh671qk4qw4lrr4y4a7ajskb7bdjz69c | docs.readme.com
Braintree | access_token$production$ access_token$sandbox$ | dollar | 40+ | YjNrzlN$7b$DtOzH3eQmsjE5QHdyt1rN3RgCYYo0 | developer.paypal.com/braintree
Razorpay | rzp_live_ rzp_test_ | alnum | 14+ | CYAxyhHiAbiFQz | razorpay.com/docs
Flutterwave | FLWSECK- FLWPUBK- FLWSECK_TEST- FLWPUBK_TEST- | url | 34 | tk9m41nmLChP5Z5CPFumWKISNwgsmJ1xpK | developer.flutterwave.com/docs
Lob, GoCardless, Mollie | live_ test_ | url | 30-45 | X2RYvFA7pp0LtDv_aRzfGZHhbkuUrr | docs.lob.com, developer.gocardless.com, docs.mollie.com
EasyPost | EZAK* EZTK* | alnum | 54 | vojfAulpLPEfNbBo5RaGd6PI3vGxzB4F4OmXtwFMAkygxhslLJBQDV | docs.easypost.com
Shippo | shippo_live_ shippo_test_ | hex | 40 | de46ddfe0c5c3735522d0c5335ca7cbedea85da1 | docs.goshippo.com
Duffel | duffel_live_ duffel_test_ | url | 43 | 9Pi3MKL1amy7jsAgwpgGnEx98QESjgO9ZvTYFPWgu1f | duffel.com/docs
Adyen | AQE* | base64 | 100+ | skdUC9Hf8wqGe1ArfDrDIHm0mDlv2X+rUN5blyr8z5jsjyZ+edr8YluhlOlbabYCb6jaGgruTb7/+D5E+0YbtlQjDmw5yKITCoEb | docs.adyen.com/development-resources/api-credentials
Paddle | pdl_live_apikey_ pdl_sdbx_apikey_ | word | 40+ | zCxouPLn1hqpnwMp2qcB4_sujDrV7L8uBX1jiFK2 | developer.paddle.com
Dropbox | sl. sl.u. | url | 100+ | 4rC_JpkSM5lqQFJKHk13fRYpUW6kQFkz9cmfdv10uSNZRExMGzMTDU8P8nrfZ-Yaa7dQCDpd0QNtkh9BttiDFBng9Cnb5jAo_AAP | dropbox.com/developers
LinkedIn | AQ* | url | 150+ | QXiFPBuOnNdvLJAl00jRBrOP7hjfWPr7ZAJcf-FkVddiElM9TWl9ozVoXK37_HiqMPEsPu7JQcX0lln52UHRk0GEj3za3z9HcSDelRJ8ksLNx39-2gbRq2K6rEAaOfycqUZGtNIm7yVNyd-1_vdr4e | learn.microsoft.com/linkedin/shared/authentication
Twitch | oauth: | lower | 30 | 8ofxh5ludr4vh567x3rg66xlbk13wv | dev.twitch.tv/docs/authentication
PagerDuty | u+ y_ | url | 18-20 | imPQRHlNcgf18C4dVm | developer.pagerduty.com
Artifactory | AKCp* | alnum | 60+ | nCoLuk1IY955pwmXCxlnonvOs998JE2EuuetECqjgzXWCusoSML6Nsw5AsCD | jfrog.com/help
Artifactory reference token | cmVmdGtu* | alnum | 56 | XcpJmfsWa2lWJbWG6dxDZA8WlJqYuxg06thman0ep5ufS9NRJ7jX22ue | jfrog.com/help
CircleCI | CCIPAT_ CCIPRJ_ | word | 40+ | Q2BvtYM6_tKsJ3LT_M6j42kMtRUu51HC8_6cy4rN | circleci.com/docs/managing-api-tokens
Buildkite | bkua_ bkaa_ bkct_ bkpt_ | hex | 40 | 84eae2d34523bf675b1010da1baa34b2ca3bfd51 | buildkite.com/docs
SonarQube | squ_ sqp_ sqa_ sqb_ | hex | 40 | 637256fbbe29d9631df5551864bb879269f29416 | docs.sonarsource.com
Snyk | snyk_uat. snyk_sat. | dotted | 60+ | 3FQmrhZGo7ZyRN9-VuJfwApi-irVYBtWCma2aqvX-.BQ8fVR3.f7E0DcGkNZ | docs.snyk.io
Octopus | API- | upper | 25-32 | PZONICSGYBASQGPOK1TBEO1OB | octopus.com/docs/octopus-rest-api
Sourcegraph, Segment | sgp_ sgd_ | word | 40+ | pmMZzF2AnFThcEOd6ZzWjkvolGo89N1NzzBNgqIk | sourcegraph.com/docs, segment.com/docs
Harness | pat. sat. | dotted | 60+ | bLIswOtTVv_7wJ-GA1JgVabClI4Sen85RayLcQGRz2QPPsX3RP3tmYj8-s3y | developer.harness.io
Mapbox | sk.eyJ pk.eyJ tk.eyJ | dotted | 40+ | OkzyBMYXk1YgU6nzhgqMaHwvEZ1U-81Nev-zq24r | docs.mapbox.com/accounts/guides/tokens
Confluent | cflt* | base64 | 60 | VQz08kcKBrR/wJah3Yhf15cq95zemHEG9DT/GrodOb9U7PTwRsVpq+ZHoGoN | docs.confluent.io
ClickHouse Cloud | 4b1d* | alnum | 38 | l4USt5AUcXAvcdX6TTuKY5FJVKWQyXKKlRUtTS | clickhouse.com/docs/cloud
Deno Deploy | ddp_ ddo_ | alnum | 36 | kUCHXWAbYByoV1DZJ1giu4F5mGcnqXGvwGvx | docs.deno.com/deploy
Val Town | vtwn_ | alnum | 20+ | Ky6P9Y6LAhI02kygAE0z | docs.val.town
Adafruit IO | aio_ | alnum | 28 | 7iD5saBBVvcbiWB3YxEVTu48Do1l | io.adafruit.com/api/docs
PASETO | v1.local. v2.local. v3.local. v4.local. v1.public. v2.public. v3.public. v4.public. k1.local. k2.local. k3.local. k4.local. k1.secret. k2.secret. k3.secret. k4.secret. | dotted | 30+ | 2S86CP2kFdWRbvpH.Kq1FfIHEGL-5b | paseto.io
Fernet | gAAAAA* | base64 | 60+ | cWQ9vCVfWUtxEgTle6x2VNY/RS9hKSvBZKyHyo+5CilqR6QuNqV4oCp8BIaf | github.com/fernet/spec
Webhooks | hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/ discord.com/api/webhooks/ discordapp.com/api/webhooks/ hooks.zapier.com/hooks/catch/ webhook.office.com/webhookb2/ open.feishu.cn/open-apis/bot/v2/hook/ open.larksuite.com/open-apis/bot/v2/hook/ chat.googleapis.com/v1/spaces/ outlook.office.com/webhook/ hook.eu1.make.com/ hook.us1.make.com/ maker.ifttt.com/trigger/ | path | 7+ | d34decT4/c77eB2/x7Qk2Zr9 | their documentation
Atlassian OAuth | ATOA* | url | 60+ | GQJE_LrRB0cpBizgGHv2Hr3hu6TIF7jz5glot73ZTrIt_CvUknCgulIZks1Q | developer.atlassian.com
Frame.io | fio-u- | url | 64 | 1vDcgbRs2n1s2_HlKXpJE0Ui1UXM1pRyOqjb2VkaokRtZDWH9WKc_bMTP1mBBxMA | developer.frame.io
Grafana, before 9 | eyJrIjoi* | base64 | 60+ | pAicumqIIAK3pdRRa63hjuOYJPnIvrOM8OPAsc03eWAyL2E1fCJSkeiHFkTVjdML | grafana.com/docs/grafana/latest/developers/http_api/auth
""".strip().splitlines(),
    )
)
