"""Which field names are private: a table, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.redaction import _names as names
from quickwins.logs.redaction._names import Namer, fold, is_private, kind


def _listed(names: str) -> list[str]:
    return names.split()


PRIVATE = _listed("""
    password Password PASSWORD user_password userPassword user-password user.password new_password passwordConfirmation
    password_hash passwd db_passwd pwd MYSQL_PWD PGPASSWORD passphrase ssh_passphrase passcode pass smtp_pass db.pass
    secret client_secret clientSecret CLIENT-SECRET aws_secret_access_key secretKey shared_secret webhook_secret secrets
    token access_token accessToken refresh-token id_token bearer_token csrf_token csrfmiddlewaretoken X-CSRF-Token
    xsrf X-XSRF-TOKEN authToken auth_token push_token deviceToken access_tokens sastoken
    apikey api_key apiKey API-KEY X-Api-Key api_keys x-goog-api-key access_key accessKeyId private_key privateKey
    signing_key encryption_key master_key auth_key account_key AccountKey license_key hmac_key ssh_key sslkey
    Ocp-Apim-Subscription-Key x-functions-key consumerKey app_key
    authorization Authorization Proxy-Authorization HTTP_AUTHORIZATION http.request.header.authorization auth basic_auth
    X-Auth proxy.auth auth_code auth_header authorization_code
    cookie Cookie Set-Cookie set_cookie cookies session_cookie HTTP_COOKIE
    session user_session session_id sessionId SESSIONID sessid PHPSESSID JSESSIONID connect.sid sid session_key
    credential credentials aws_credentials creds db_creds jwt user_jwt bearer
    signature X-Hub-Signature X-Hub-Signature-256 sig
    otp otp_code totp mfa_code verification_code recovery_codes security_code pin user_pin card_pin pin_code pinNumber
    cvv cvv2 cvc card_cvc card_number cardNumber card-number credit_card creditCard cc_number pan primary_account_number
    iban IBAN customer_iban bank_account account_number accountNumber routing_number ssn user.ssn social_security_number
    tax_id national_id passport passport_number dob date_of_birth birthdate birthday
    email Email e-mail E_MAIL user_email userEmail email_address emailAddress customer.email useremail emails email_1
    phone phone_number phoneNumber mobile mobile_number msisdn telephone home_phone fax tel contact.phone
    dsn sentry_dsn SENTRY_DSN DATABASE_URL database_url databaseUrl db_url redis_url REDIS_URI mongo_uri MONGODB_URI
    sqlalchemy.database_uri broker_url connection_string connectionString conn_str jdbc_url webhook_url webhookUrl
    seed_phrase kennwort motdepasse user[password] user[pin] headers["authorization"]
""")

PLAIN = _listed("""
    token_count tokenCount tokens_used max_tokens total_tokens prompt_tokens completion_tokens output_tokens
    gen_ai.usage.input_tokens cached_tokens token_type tokenType token_limit token_bucket token_ttl token_expires_at
    token_expires_in tokenizer tokenize tokenized tokenization tokeniser_name token_url token_endpoint time_to_first_token
    author authors author_id authority authorities authenticated auth_method auth_type auth_provider oauth_provider
    authorization_url authorization_status authorization_result www_authenticate authentication_method
    secretary secretariat secret_name secret_version secrets_count secretCount has_secret
    has_password is_password_set password_length password_policy password_changed_at password_attempts password_expired
    passwordless password_strength show_password
    session_count sessionCount active_sessions session_duration session_ttl session_state sessions is_new_session
    cookie_name cookie_domain cookie_count cookies_enabled cookieConsent
    key keys cache_key cacheKey primary_key foreign_key sort_key partition_key routing_key idempotency_key public_key
    keyboard key_count monkey turkey s3_key object_key key_id kid hotkey
    pinned pin_count spinner pinning mapping shipping opinion pincushion pinecone
    panel span company japan expand pan_left pan_zoom panic
    phone_verified phoneVerified has_phone phone_type phone_model microphone headphones smartphone iphone_model
    email_sent email_count emails_sent emailVerified is_email_verified email_template email_domain email_status
    is_mobile mobile_app mobile_version automobile immobile
    passed pass_rate bypass passenger compass passive pass_count surpass
    signature_algorithm signature_valid function_signature type_signature design assigned
    discard_nodes syntax_id international_id siding outside message_sid
    class classification credit_limit credits accredited incredible card_type cardinality card_brand
    url base_url redirect_uri callback_url image_url urls database database_name db db_name broker
    user user_id username name host port status method route duration_ms trace_id span_id event.name http.route
    error message reason code count id address ip city country currency amount price order_id item_id
    auth_time otp_enabled totp_enabled hits misses ratio cvs svn scan fan telemetry telescope fair faxed_count
    robot dobby birthplace subject digest hash etag version fingerprint salt nonce
""")


@pytest.mark.parametrize("name", PRIVATE)
def test_a_name_that_says_so_is_private(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize("name", PLAIN)
def test_a_usual_name_is_not(name: str) -> None:
    assert not is_private(name)


def test_the_table_is_no_smaller_than_it_claims() -> None:
    assert len(set(PRIVATE)) >= 120
    assert len(set(PLAIN)) >= 120
    assert not set(PRIVATE) & set(PLAIN)


@pytest.mark.parametrize("name", ["api key", "credit card number", "Connection String", "Auth Token"])
def test_spaces_fold_too(name: str) -> None:
    assert is_private(name)


def test_folding_makes_one_name_of_all_its_spellings() -> None:
    assert {fold(name) for name in ("X-Api-Key", "xApiKey", "x_api_key", "x.api.key", "X API KEY")} == {
        "xapikey"
    }


def test_keys_add_whole_names_and_safe_keys_win() -> None:
    private = Namer(frozenset({"licenceplate"}), frozenset({"pagetoken", "accesstoken", "email"}))
    assert private("licence_plate")
    assert private("LicencePlate")
    assert not private("licence_plate_count")
    assert not private("page_token")
    assert not private("pageToken")
    assert private("my_access_token")
    assert not private("E-Mail")
    assert private("user_email")


def test_the_memo_is_bounded_and_changes_no_answer() -> None:
    private = Namer(frozenset(), frozenset())
    for number in range(names._MEMO + 50):
        assert private(f"password_{number}")
        assert not private(f"item_{number}")
    assert len(private.memo) <= names._MEMO


def test_of_a_name_without_end_the_beginning_counts() -> None:
    private = Namer(frozenset(), frozenset())
    assert private("password" + "x" * 100_000)
    assert not private("x" * 100_000 + "password")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("email", "email"), ("userEmail", "email"), ("email_address", "email"), ("useremail", "email"), ("phone", "phone"),
        ("mobile", "phone"), ("phoneNumber", "phone"), ("password", ""), ("token", ""), ("card_number", ""), ("", ""),
    ],
)  # fmt: skip
def test_only_addresses_and_phones_have_a_kind(name: str, expected: str) -> None:
    assert kind(name) == expected


@given(st.text())
def test_any_text_is_a_name(name: str) -> None:
    private = Namer(frozenset({"a"}), frozenset({"b"}))
    assert private(name) == private(name)


@given(st.sampled_from(["password", "apikey", "clientsecret", "cookie"]), st.data())
def test_case_and_separators_change_nothing(name: str, data: st.DataObject) -> None:
    spelled = ""
    for one in name:
        spelled += data.draw(st.sampled_from(["", "-", "_", ".", " "])) + data.draw(
            st.sampled_from([one, one.upper()])
        )
    assert Namer(frozenset(), frozenset())(spelled)
