"""What must hold of the redaction for any text and any person."""

import random
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.redaction import KnownPeople, Redactor
from serving.patterns import find_patterns
from tests.redaction.conftest import Redact

properties = settings(deadline=None, derandomize=True, max_examples=25)

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
# Texts out of pieces that are almost personal data, so that the finds' edges meet.
piece = st.sampled_from(
    [
        "4111 1111 1111 1111", "4111111111111111", "GB82WEST12345698765432", "DE89 3704 0044 0532",
        "a@b.example", "jane.doe@mail.example.org", "+44 20 7946 0958", "(202) 555-0143",
        "219-09-9999", "203.0.113.77", "2001:db8::ff00:42:8329", "https://a.test.io/?token=x", "<",
        ">", "<PERSON_1>", "<EMAIL>", "card ", "phone: ", "born 1/2/1980", "ip ", "12 Baker Street",
        "password=hunter22", "AKIAIOSFODNN7EXAMPLE", " ", "\n", "-", ".", ",", "x", "7", "0",
        "é", "王", "\ufdd0", "\ufdd1", "@", "://", "+", "(",
    ]
)  # fmt: skip
almost = st.builds(
    lambda pieces, between: between.join(pieces),
    st.lists(piece, max_size=8),
    st.sampled_from([" ", "\n", ", ", "; ", "»", "/", " - "]),
)


# DuckDB plans a query for as long as it redacts a hundred texts: each example is many texts.
many = st.lists(anything | almost, min_size=20, max_size=40)


@properties
@given(texts=many)
def test_a_redacted_text_is_left_as_it_is(texts: list[str], redactor: Redactor) -> None:
    once = redactor.redact(texts)
    assert redactor.redact(once) == once


@properties
@given(texts=many)
def test_the_publishing_check_finds_nothing_in_a_redacted_text(
    texts: list[str], redactor: Redactor
) -> None:
    for text, redacted in zip(texts, redactor.redact(texts), strict=True):
        assert find_patterns(redacted) == set(), (text, redacted)


digits = st.text("0123456789", min_size=9, max_size=9)
FORMS = {
    "card": ["4{0}{1}", "4{0}-{1}"],
    "ssn": ["219-09-{1}"],
    "phone": [
        "+44 {0}", "+1 (202) 555-{1}", "0049 151 {0}", "(202) 555-{1}", "020 7946 {1}",
        "01 23 45 67 89", "0123456789", "+{0}", "030 12{1}", "0151/{0}",
    ],
    "email": ["u{0}@mail.example.org", "o'neil{1}@a-b.co", "Zoë.{1}+x@sub.example.co.uk"],
    "ip": ["ip 203.0.113.{2}", "IP address: 198.51.{2}.9"],
}  # fmt: skip


def luhn(body: str) -> str:
    """A card number with its check digit."""
    total = sum(
        sum(divmod(int(digit) * 2, 10)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


def iban(country: str, account: str) -> str:
    """An IBAN with its check digits."""
    number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02}{account}"


@properties
@given(number=digits, before=st.sampled_from(["", "«", "(", "to ", "a, "]))
def test_what_the_publishing_check_finds_is_hidden(
    number: str, before: str, redactor: Redactor
) -> None:
    values = [form.format(number, number[:4], int(number[:3]) % 256)
              for forms in FORMS.values() for form in forms]  # fmt: skip
    values += [
        luhn("41" + number + "0123"),
        luhn("55" + number + "0123"),
        luhn("37" + number + "012"),
    ]
    grouped = luhn("41" + number + "0123")
    values += [" ".join(re.findall("....", grouped)), "-".join(re.findall("....", grouped))]
    values += [
        iban("DE", number * 2),
        iban("GB", "WEST" + (number * 2)[:14]),
        iban("NO", number + "12"),
    ]
    texts = [f"{before}{value} ok" for value in values]
    assert sum(bool(find_patterns(text)) for text in texts) > len(texts) / 2
    for text, redacted in zip(texts, redactor.redact(texts), strict=True):
        assert find_patterns(redacted) == set(), (text, redacted)


def test_ten_megabytes_are_redacted(redact: Redact) -> None:
    text = "Order 1002345 of jane@example.com, call 020 7946 0958. \x00é王\n" * 160_000
    redacted = redact(text, names=["Jane Doe"], phones=["020 7946 0958"])
    assert redacted.count("<EMAIL>") == redacted.count("<PHONE>") == 160_000
    assert "jane@" not in redacted


letters = st.characters(categories=("Lu", "Ll"), max_codepoint=0x24F).filter(
    lambda char: len(char.upper()) == 1
)
name_part = st.text(letters, min_size=3, max_size=10)


@properties
@given(parts=st.lists(name_part, min_size=2, max_size=3), number=digits)
def test_no_known_value_of_a_person_is_left_in_any_spelling(
    parts: list[str], number: str, redactor: Redactor
) -> None:
    name, street = " ".join(parts), f"{int(number[:2]) + 1} {parts[0]} Lane"
    mail, phone = f"u{number}@home.example", f"+44 {number[:4]} {number[4:]}"
    spellings = [
        name, name.upper(), ", ".join(reversed(parts)), unicodedata.normalize("NFD", name),
        mail, mail.upper(), phone, number, f"0{number}", "-".join(number), street, street.upper(),
        street.replace(" ", ",  "),
    ]  # fmt: skip
    known = KnownPeople(names=[name], emails=[mail], phones=[phone], addresses=[street])
    for redacted in redactor.redact([f"ask «{spelling}» today" for spelling in spellings], known):
        assert re.fullmatch(r"ask «(<[A-Z]+(_1)?>|[\s,])+» today", redacted), redacted


def test_the_same_person_has_the_same_number_and_two_have_two(redact: Redact) -> None:
    text = "Bob Stone wrote: Ana Silva is away. Ask Bob, or Silva's deputy. ANA SILVA Bob Stone"
    assert redact(text, names=["Ana Silva", "Bob Stone"]) == (
        "<PERSON_1> wrote: <PERSON_2> is away. Ask <PERSON_1>, or <PERSON_2>'s deputy. "
        "<PERSON_2> <PERSON_1>"
    )


@pytest.mark.parametrize("known", [{}, {"names": ["Ana Silva"], "phones": ["1234567"]}])
def test_no_text_stays_no_text(known: dict[str, list[str]], redactor: Redactor) -> None:
    assert redactor.redact([""], KnownPeople(**known)) == [""]
    assert redactor.redact([]) == []


def test_the_order_of_many_texts_is_kept(redactor: Redactor) -> None:
    numbers = list(range(5_000))
    random.Random(7).shuffle(numbers)
    assert redactor.redact([f"text {number}" for number in numbers]) == [
        f"text {number}" for number in numbers
    ]
