"""What a Redaction is, what a Scanner answers, and where its bounds are."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from pydantic import SecretStr

from quickwins.core.errors import ConfigError
from quickwins.logs.redaction import Redaction, RedactionRule
from quickwins.logs.redaction._find import found
from quickwins.logs.redaction._patterns.spans import MAX_HITS, MOST_WORK
from quickwins.logs.redaction._scan import MAX_CLEAN, MAX_CLEAN_LENGTH, MAX_LENGTH, Scanner
from quickwins.logs.redaction._suspect import is_suspect
from tests.unit.logs.redaction.corpus import with_luhn

KEY = b"0123456789abcdef"
CARD = with_luhn("411111111111111")


def shown(text: str, redaction: Redaction | None = None) -> str:
    return Scanner(redaction or Redaction.strict()).text(text, [])


def test_a_clean_text_is_the_same_object_and_is_remembered() -> None:
    scanner = Scanner(Redaction.strict())
    for text in ("cache.access", "connection closed: retry=1", "2026-11-26T01:21:49Z", "can't"):
        hits: list[RedactionRule] = []
        assert scanner.text(text, hits) is text
        assert hits == []
    assert "cache.access" in scanner.clean
    assert "connection closed: retry=1" in scanner.clean


def test_what_was_not_clean_is_not_remembered() -> None:
    scanner = Scanner(Redaction.strict())
    scanner.text("bob@example.com", [])
    assert not scanner.clean


@pytest.mark.parametrize("template", ["{}", "a{}: retry"])
def test_memory_is_bounded(template: str) -> None:
    scanner = Scanner(Redaction.strict())
    for number in range(MAX_CLEAN + 100):
        scanner.text(template.format(f"item-{number}"), [])
        assert len(scanner.clean) <= MAX_CLEAN
    scanner = Scanner(Redaction.strict())
    scanner.text("x" * (MAX_CLEAN_LENGTH + 1), [])
    assert not scanner.clean


def test_each_hit_is_counted_by_its_rule() -> None:
    hits = [RedactionRule.KEY]
    text = f"bob@example.com and ann@example.com paid with {CARD}"
    assert Scanner(Redaction.strict()).text(text, hits) == (
        "[redacted:email] and [redacted:email] paid with [redacted:card]"
    )
    assert hits == [RedactionRule.KEY, RedactionRule.EMAIL, RedactionRule.EMAIL, RedactionRule.CARD]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a:b@h.example/x?q=1abcd&r=2efgh#s=3ijkl", "https://[redacted:url_credentials]@h.example/x?q=[redacted]&r=[redacted]#s=[redacted]"),
        ("/x?page=2&sort=created_at&token=abc", "/x?page=2&sort=created_at&token=[redacted]"),
        ("/x?bob@example.com=1abcd", "/x?[redacted:email]=[redacted]"),
        ("/x?debug&token=abc", "/x?debug&token=[redacted]"),
        ("/x?q=", "/x?q="),
        ("/x?q", "/x?q"),
        ("what?", "what?"),
        ("Bearer abcdef123456 for bob@example.com", "Bearer [redacted:bearer] for [redacted:email]"),
        ("bearer token expired", "bearer token expired"),
        ("bearer abcdefghi7", "bearer [redacted:bearer]"),
        ("sk" + "-learn-contrib-extra-models 1.2.3 A", "sk" + "-learn-contrib-extra-models 1.2.3 A"),
        ("Basic dXNlcjpwYXNzd29yZA== sent", "Basic [redacted:bearer] sent"),
        ("password=hunter2, user=bob", "password=[redacted:pair], user=bob"),
        ("password = $1", "password = $1"),
        ("password: null", "password: null"),
        ('{"password":"a \\" b","n":1}', '{"password":"[redacted:pair]","n":1}'),
        ('{"pin": 1234, "n": 1}', '{"pin": [redacted:pair], "n": 1}'),
        ("token: expired", "token: expired"),
        ("phone: 0151 2345 6789 called", "phone: [redacted:pair] called"),
        ("if token == other:", "if token == other:"),
        ("GET /users/bob%40example.com/x", "GET /users/[redacted:email]/x"),
        ("0.4111111111111111", "0.4111111111111111"),
        (CARD[:-1] + "2", CARD[:-1] + "2"),
        (f"x{CARD}", f"x{CARD}"),
        (f"1 {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]} 2", "1 [redacted:card] 2"),
        ("git@github.com:a/b", "git@github.com:a/b"),
        ("bob@example.com.", "[redacted:email]."),
        ("bob@localhost", "bob@localhost"),
        ("2026-11-26 01:21:49 192.168.100.200", "2026-11-26 01:21:49 192.168.100.200"),
        ("GET /x 200 512 1024", "GET /x 200 512 1024"),
        ("0012345678", "0012345678"),
        ("+02:00", "+02:00"),
        ("1.2.3+20261126010203", "1.2.3+20261126010203"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIE", "[redacted:pem]"),
        ("----- BEGIN -----", "----- BEGIN -----"),
        ("[email:0123456789abcdef] and [redacted:card]", "[email:0123456789abcdef] and [redacted:card]"),
        ("{'a': b'x', 'cookie': b'c=d'}", "{'a': b'x', 'cookie': b'[redacted:pair]'}"),
        ("x\ud800 bob@example.com", "x\ud800 [redacted:email]"),
        ("\0bob@example.com\0", "\0[redacted:email]\0"),
    ],
)  # fmt: skip
def test_only_what_is_private_goes(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(expected) == expected


@pytest.mark.parametrize(
    "number", [0, 1, -1, True, 10**12, 10**30, -(10**15), 1_764_119_709_123_456_789, int(CARD) + 1]
)
def test_usual_integers_stay(number: int) -> None:
    hits: list[RedactionRule] = []
    assert Scanner(Redaction.strict()).number(number, hits) is number
    assert hits == []


@pytest.mark.parametrize("digits", ["411111111111111", "37144963539843", "550000000000000", "411111111111"])
def test_an_integer_may_be_a_card(digits: str) -> None:
    hits: list[RedactionRule] = []
    assert Scanner(Redaction.strict()).number(int(with_luhn(digits)), hits) == "[redacted:card]"
    assert hits == [RedactionRule.CARD]


def test_identifiers_of_64_bits_are_rarely_taken_for_cards() -> None:
    scanner = Scanner(Redaction.strict())
    hits: list[RedactionRule] = []
    for number in range(10_000):
        scanner.number(number * 922_337_203_685_477 + 10**12, hits)
    assert len(hits) < 60


def test_values_under_private_names_are_hidden() -> None:
    scanner = Scanner(Redaction.strict(keys=["licence plate"], safe_keys=["page_token"]))
    hits: list[RedactionRule] = []
    assert scanner.key("Licence-Plate")
    assert not scanner.key("pageToken")
    assert scanner.hidden("password", "hunter2", hits) == "[redacted:key]"
    assert scanner.hidden("email", "bob@example.com", hits) == "[redacted:key]"
    assert hits == [RedactionRule.KEY, RedactionRule.KEY]


class TestBounds:
    def test_of_a_long_text_the_beginning_is_kept_and_the_rest_counted(self) -> None:
        hits: list[RedactionRule] = []
        text = "lorem " * 2_000
        kept = Scanner(Redaction.strict()).text(text, hits)
        assert len(kept) <= MAX_LENGTH
        head, _, count = kept.rpartition("[redacted:too_long:")
        assert text.startswith(head)
        assert len(head) + int(count.rstrip("]")) == len(text)
        assert hits == [RedactionRule.TOO_LONG]
        assert shown(kept) == kept

    def test_a_text_of_exactly_the_most_is_whole(self) -> None:
        text = "x" * MAX_LENGTH
        assert shown(text) is text
        assert shown(text + "x") == f"[redacted:too_long:{MAX_LENGTH + 1}]"

    def test_too_many_hits_end_the_text(self) -> None:
        hits: list[RedactionRule] = []
        text = " ".join(f"u{number}@example.com" for number in range(100))
        kept = Scanner(Redaction.strict()).text(text, hits)
        assert kept.count("[redacted:email]") == MAX_HITS
        assert kept.endswith("[redacted:too_many]")
        assert hits == [RedactionRule.EMAIL] * MAX_HITS + [RedactionRule.TOO_MANY]
        assert shown(kept) == kept

    def test_too_many_hits_of_several_rules_end_it_too(self) -> None:
        text = " ".join(f"u{number}@example.com pin=10{number:02}" for number in range(60))
        kept = shown(text)
        assert kept.endswith("[redacted:too_many]")
        assert "u59" not in kept

    def test_hits_inside_of_another_do_not_use_up_what_comes_later(self) -> None:
        inner = ",".join(f"u{number}@example.com" for number in range(100))
        kept = shown(f'{{"cookie": "{inner}", "password": "hunter2hunter2", "by": "late.bird@example.com"}}')
        assert "hunter2" not in kept
        assert "late" not in kept
        assert "example" not in kept

    @pytest.mark.parametrize(
        "first", ["tel:0151-2345678", "555-123-4567", "0049 151 12345678", "+4915112345678"]
    )
    @pytest.mark.parametrize(
        "second", ["tel:0151-2345678", "555-123-4567", "0049 151 12345678", "+4915112345678"]
    )
    def test_one_pattern_of_a_rule_uses_up_no_other_ones_hits(self, first: str, second: str) -> None:
        kept = shown(f"{second} {f'{first} x ' * 70} {second}")
        assert "151" not in kept
        assert "555" not in kept

    @pytest.mark.parametrize("first", ["ftp://ann:secret123@h", "ftp://ann:sec/ret123@h"])
    @pytest.mark.parametrize("second", ["ftp://ann:secret123@h", "ftp://ann:sec/ret123@h"])
    def test_nor_does_one_of_urls(self, first: str, second: str) -> None:
        assert "123" not in shown(f"{second} {f'{first} x ' * 70} {second}")

    def test_nor_do_quoted_names(self) -> None:
        some = "".join(f"a{number}@b.example, " for number in range(70))
        quoted = '"an ne"@c.example, '
        assert "example" not in shown(f"{quoted * 3}{some}{quoted * 3}{some}"[:4_000])

    def test_where_a_pattern_stops_looking_the_rest_goes(self) -> None:
        text = "ann@b.example, " * (MAX_HITS + 6)
        spans = found(text, Scanner(Redaction.strict()).namer)
        assert (15 * MAX_HITS, len(text), RedactionRule.TOO_MANY) in spans

    @pytest.mark.parametrize(
        "piece", ["key:b ", "a@1.2 ", "2234567890123 ", "--abc b ", "<b>c</b> ", "password x "]
    )
    def test_a_text_with_too_many_places_to_judge_ends_after_some(self, piece: str) -> None:
        text = piece * (MAX_LENGTH // len(piece) - 6) + "password: hunter2hunter2"
        kept = shown(text)
        assert "hunter2" not in kept
        assert kept.count(piece) <= MOST_WORK
        assert shown(kept) == kept

    @pytest.mark.parametrize(
        "sentence",
        [
            "用户\uff1a张三\uff08编号\uff1a4711\uff0c状态\uff1a正常\uff09登录成功。",
            "ユーザー\uff1a山田太郎\uff08id=4711\uff09がログインしました。",
            "\u300c鍵\u300d\uff1a成功\uff08件数=12\uff09、状態\uff1a済\uff08番号=7\uff09。",
        ],
    )
    def test_a_long_text_without_spaces_ends_behind_a_sentence(self, sentence: str) -> None:
        text = sentence * (MAX_LENGTH // len(sentence))
        kept = shown(text)
        head, mark, _ = kept.partition("[redacted:too_")
        assert mark
        assert text.startswith(head)
        assert head[-1] in "、。\u300c\u300d"
        assert len(head) > MAX_LENGTH // 8
        assert "hunter2" not in shown(f"{text[:-40]}password\uff1ahunter2hunter2。")

    def test_what_only_another_look_would_find_is_left_out_when_the_budget_is_spent(self) -> None:
        kept = shown("x=y:--password x1y2z3 ghp_aB3dE6gH9jK2mN5paB3dE6gH9jK2mN5pabcd+49 170 1234567" * 40)
        assert kept.endswith("[redacted:too_many]")
        assert "1234567" not in kept  # it stands right behind a key, and is a number once that is a mark

    @pytest.mark.parametrize(
        "template", ["{:x}_passwd_{:o}= x ", '"{:x}_{:o}_token":1,', "{:x}_{:o}_secret: x\n"]
    )
    def test_no_more_names_are_asked_for_than_the_budget_pays(self, template: str) -> None:
        scanner = Scanner(Redaction.strict())
        names = "".join(template.format(number, number) for number in range(190))
        kept = scanner.text(f"{names} password=hunter2hunter2", [])
        assert len(scanner.namer.memo) <= MOST_WORK // 3
        assert "hunter2" not in kept

    @pytest.mark.parametrize("name", ["key: ", "code: "])
    def test_no_more_names_of_two_words_are_asked_for_than_the_budget_pays(self, name: str) -> None:
        scanner = Scanner(Redaction.strict())
        drawn = ("".join("bc"[int(digit)] for digit in f"{number:010b}") for number in range(190))
        scanner.text(" ".join(f"{one} {name}x1" for one in drawn), [])
        assert len(scanner.namer.memo) <= MOST_WORK // 3

    def test_long_names_that_end_alike_are_all_heard(self) -> None:
        end = "_" * 120 + "password"
        kept = shown("x " * 200 + f"first{end}=a1b2c3d4 other{end}=e5f6a7b8")
        assert "a1b2c3d4" not in kept
        assert "e5f6a7b8" not in kept

    @pytest.mark.parametrize("sign", ["%", "\\", "&", "\x1b"])
    def test_a_text_full_of_what_may_begin_escapes_is_looked_at_closely(self, sign: str) -> None:
        """To find out by undoing them that it needn't be would take longer, and nothing would bound it."""
        assert is_suspect(sign * 600)
        assert not is_suspect("/ " * 600)

    def test_what_grows_is_cut_again(self) -> None:
        kept = shown("a@b.co " * 30 + "x " * 1_942)
        assert len(kept) <= MAX_LENGTH
        assert kept.startswith("[redacted:email] [redacted:email]")
        assert "[redacted:too_long:" in kept
        assert shown(kept) == kept


class TestPseudonyms:
    scanner = Scanner(Redaction.strict(pseudonym_key=KEY))

    def seen(self, text: str) -> str:
        return self.scanner.text(text, [])

    def test_the_same_address_has_the_same_one(self) -> None:
        one = self.seen("Bob@Example.com")
        assert one == self.seen("bob@example.COM")
        assert one.startswith("[email:")
        assert len(one) == len("[email:0123456789abcdef]")
        assert one != self.seen("ann@example.com")
        assert self.seen(f"x {one} y") == f"x {one} y"

    def test_under_its_name_too(self) -> None:
        hits: list[RedactionRule] = []
        assert self.scanner.hidden("userEmail", " bob@example.com ", hits) == self.seen("bob@example.com")
        assert self.scanner.hidden("phone", "555-123-4567", hits) == self.seen("+1 (555) 123-4567")
        assert hits == [RedactionRule.EMAIL, RedactionRule.PHONE]
        assert self.scanner.hidden("email", 7, hits) == "[redacted:key]"
        assert self.scanner.hidden("phone", "none", hits) == "[redacted:key]"

    def test_in_pairs_and_escapes_too(self) -> None:
        one = self.seen("bob@example.com")
        assert self.seen('{"email": "bob@example.com"}') == f'{{"email": "{one}"}}'
        assert self.seen("GET /users/bob%40example.com/x") == f"GET /users/{one}/x"

    @pytest.mark.parametrize(
        "spelled", ["+49 151 12345678", "+4915112345678", "0049 151 12345678", "+49 (0) 151-12345678"]
    )
    def test_the_digits_of_a_phone_count(self, spelled: str) -> None:
        assert self.seen(spelled) == self.seen("+4915112345678")

    def test_another_key_makes_others(self) -> None:
        other = Scanner(Redaction.strict(pseudonym_key=b"another key of 16"))
        assert other.text("bob@example.com", []) != self.seen("bob@example.com")

    @pytest.mark.parametrize("text", [CARD, "password=hunter2", "Bearer abcdef123456", "/x?a=bcdef"])
    def test_nothing_else_becomes_one(self, text: str) -> None:
        assert "[redacted" in self.seen(text)

    def test_the_key_is_in_no_output(self) -> None:
        redaction = Redaction.strict(pseudonym_key=SecretStr(KEY.decode()))
        assert redaction.pseudonym_key is not None
        derived = redaction.pseudonym_key.get_secret_value()
        for text in (repr(redaction), str(redaction), repr(vars(Redaction)), repr(redaction.pseudonym_key)):
            assert KEY.decode() not in text
            assert repr(derived) not in text
        with pytest.raises(TypeError, match="pseudonym_key") as caught:
            pickle.dumps(redaction)
        assert KEY.decode() not in str(caught.value)
        assert copy.deepcopy(redaction) is redaction
        assert copy.copy(redaction) is redaction

    def test_a_text_and_a_secret_str_are_the_same_key(self) -> None:
        other = Scanner(Redaction.strict(pseudonym_key=SecretStr(KEY.decode())))
        assert other.text("bob@example.com", []) == self.seen("bob@example.com")


class TestRedaction:
    def test_it_is_frozen_and_compares(self) -> None:
        redaction = Redaction.strict(keys=["a b"])
        assert redaction == Redaction.strict(keys=["A-B"])
        with pytest.raises(FrozenInstanceError):
            redaction.__setattr__("keys", frozenset())

    def test_without_a_key_it_is_pickled(self) -> None:
        redaction = Redaction.strict(keys=["a"], safe_keys=["b"])
        assert pickle.loads(pickle.dumps(redaction)) == redaction  # noqa: S301 -- our own bytes; until=never

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"keys": "password"}, "keys must be several names"),
            ({"safe_keys": b"password"}, "safe_keys must be several names"),
            ({"keys": ["a", 7]}, "keys must be names with at least one letter or digit, not 7"),
            ({"keys": ["--"]}, "keys must be names with at least one letter or digit, not '--'"),
            ({"safe_keys": [str(n) for n in range(2_000)]}, "safe_keys must be at most 1000 names, not 2000"),
            ({"keys": ["page_token"], "safe_keys": ["pageToken"]}, "both have 'pagetoken'"),
            ({"pseudonym_key": b"short"}, "pseudonym_key must have at least 16 bytes, not 5"),
            ({"pseudonym_key": SecretStr("short")}, "pseudonym_key must have at least 16 bytes, not 5"),
            (
                {"pseudonym_key": "0123456789abcdef"},
                "pseudonym_key must be bytes, a SecretStr or None, not str",
            ),
        ],
    )
    def test_a_wrong_argument_is_named(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Redaction.strict(**arguments)
        assert message in str(caught.value)
        if "pseudonym_key" in arguments:
            assert "short" not in str(caught.value)
            assert "abcdef" not in str(caught.value)

    def test_none_leaves_everything(self) -> None:
        scanner = Scanner(Redaction.none())
        hits: list[RedactionRule] = []
        text = f"bob@example.com {CARD}"
        assert scanner.text(text, hits) is text
        assert scanner.number(int(CARD), hits) == int(CARD)
        assert not scanner.key("password")
        assert hits == []

    def test_a_single_rule_can_be_left_out(self) -> None:
        scanner = Scanner(
            replace(
                Redaction.strict(), rules=frozenset(RedactionRule) - {RedactionRule.KEY, RedactionRule.CARD}
            )
        )
        assert not scanner.key("password")
        assert scanner.number(int(CARD), []) == int(CARD)
        assert scanner.text("password=hunter2", []) == "password=[redacted:pair]"

    def test_each_rule_says_what_it_is_for(self) -> None:
        assert {str(rule) for rule in RedactionRule} == {
            "key", "email", "phone", "card", "iban", "jwt", "bearer", "pem", "api_key", "url_credentials", "query", "pair",
            "too_many", "too_long",
        }  # fmt: skip


@pytest.mark.parametrize("before", ["://{", "://0{", "ftp://a|"])
def test_an_address_behind_what_looks_like_a_url_is_hidden_whole(before: str) -> None:
    kept = shown(f"{before}Alice.JONES@Example.ORG ")
    assert "JONES" not in kept
    assert "Example" not in kept
    assert shown("postgres://{user}:{pw}@db/x") == "postgres://[redacted:url_credentials]@db/x"


@pytest.mark.parametrize("gap", [" ", "-"])
@pytest.mark.parametrize("numbers", [0, 40])
def test_what_only_a_secret_beside_it_kept_from_being_seen_is_found(gap: str, numbers: int) -> None:
    card = gap.join(["4111", "1111", "1111", "1111"])
    key = "AK" + "IAZ7XQPLMN2KDJWR4T"
    others = " 4000 1234 5678 9010," * numbers
    for text in (f"{others} {card}{key} x", f"{others} {card}{key}{others}"):
        shown = Scanner(Redaction.strict()).text(text, [])
        assert card not in shown
        assert key not in shown
