"""Recognises personal data by its form and checks it: Luhn, IBAN checksum, digits of a phone.

Made to refuse publishing on a hit, so it is narrow: a code, a price or an instant is none.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Literal

PatternClass = Literal["email", "phone", "card", "iban", "ssn", "ip"]

# Every text with a finding matches this one, which DuckDB's RE2 runs over whole columns. It has
# no look-around, so it is wider; a bare run of digits such as an order number does not match.
CANDIDATE = "|".join(
    (
        r"@[^\s@]+\.",
        r"[2-6](?:[ -]?[0-9]){13}",
        r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11}",
        r"[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}",
        r"(?i:\bip(?:v4)?\b)[^0-9]{0,30}[0-9]{1,3}\.[0-9]",
        r"\+[ ()./\x{a0}-]{0,3}[1-9][ ()./\x{a0}-]{0,3}[0-9]",
        r"\b00[1-9][0-9]{0,2}[ ./-]",
        r"[2-9][0-9]{2}(?:\) ?|[ .-])[0-9]{3}[ .-][0-9]{4}",
        r"(?:^|[^0-9])0[1-9](?:[ .-]?[0-9]{2}){4}",
        r"(?:^|[^0-9])0[1-9][0-9]{0,4}\)?[ /-][0-9]{3}",
    )
)

_EMAIL = re.compile(r"[\w.%+'’-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])(:?)")
_CARD = re.compile(r"(?<![\w.+-])[2-6](?:[ -]?[0-9]){13,18}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}")
_SSN = re.compile(
    r"(?<![\w.+-])(?!000|666|9)[0-9]{3}([ -])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![\w-]|\.[0-9])"
)
_IP = re.compile(r"(?i:\bip(?:v4)?\b)\D{0,30}?(?<![\w.])((?:[0-9]{1,3}\.){3}[0-9]{1,3})(?![\w.])")
_GAP = r"[ ()./\xa0-]{0,3}"
_PHONES = (
    re.compile(rf"(?<![\w+-])\+{_GAP}[1-9](?:{_GAP}[0-9]){{8,14}}(?![0-9])"),
    re.compile(rf"(?<![\w.+-])00[1-9][0-9]{{0,2}}[ ./-](?:{_GAP}[0-9]){{6,12}}(?![0-9])"),
    re.compile(
        r"(?<![\w.+#/-])(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[ .-])"
        r"[0-9]{3}[ .-][0-9]{4}(?![\w-]|\.[0-9])"
    ),
    re.compile(r"(?<![\w.+#/-])\(?0[1-9](?:[ .-]?[0-9]{2}){4}(?![\w-]|\.[0-9])"),
    re.compile(
        r"(?<![\w.+#/-])\(?0[1-9][0-9]{0,4}\)?[ /-][0-9]{3,8}(?:[ -][0-9]{2,6}){0,3}(?![\w-])"
    ),
)
_FEWEST_PHONE_DIGITS = 9
_MOST_PHONE_DIGITS = 15
# Dates such as 01.02.2026 and 2026-02-01 begin like a national number.
_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d)")
_IBAN_LENGTHS = re.findall(
    r"([A-Z]{2})(\d\d)",
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18"
    "FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21"
    "MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27TL23"
    "TN24TR26UA29VA22VG24XK20",
)
_IBAN_LENGTH = {country: int(length) for country, length in _IBAN_LENGTHS}


def find_patterns(text: str) -> set[PatternClass]:
    """Return the classes of personal data that a text holds."""
    return {name for name, finder in _FINDERS.items() if any(finder(text))}


def is_card_number(digits: str) -> bool:
    """Tell whether these digits are a payment card's: a known issuer and Luhn's checksum."""
    if len(set(digits)) == 1 or not _has_issuer(digits):
        return False
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    total = sum(int(digit) for digit in digits[-1::-2])
    return (total + sum(value - 9 if value > 9 else value for value in doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Tell whether a text without spaces is an IBAN: its country's length and its checksum."""
    if len(text) != _IBAN_LENGTH.get(text[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _has_issuer(digits: str) -> bool:
    length, four = len(digits), int(digits[:4])
    if digits[0] == "4" or 5100 <= four < 5600 or 2221 <= four <= 2720:
        return length in {16, 19}
    if digits[:2] in {"34", "37"}:
        return length == 15
    if digits[:2] in {"36", "38"} or 3000 <= four < 3060:
        return length == 14
    if four == 6011 or 6440 <= four < 6600 or 3528 <= four < 3590:
        return length == 16
    return digits[:2] in {"50", "56", "57", "58", "62", "63", "67"} and 16 <= length <= 19


def _emails(text: str) -> Iterator[bool]:
    # git@host:path is an address of a repository.
    return (not (found[1] and found[0].startswith("git@")) for found in _EMAIL.finditer(text))


def _cards(text: str) -> Iterator[bool]:
    return (is_card_number(_digits(found[0])) for found in _CARD.finditer(text))


def _ibans(text: str) -> Iterator[bool]:
    for found in _IBAN.finditer(text):
        compact = re.sub(r"[ -]", "", found[0])
        yield is_iban(compact[: _IBAN_LENGTH.get(compact[:2], 0)])


def _ssns(text: str) -> Iterator[bool]:
    return (True for _ in _SSN.finditer(text))


def _phones(text: str) -> Iterator[bool]:
    for form in _PHONES:
        for found in form.finditer(text):
            enough = _FEWEST_PHONE_DIGITS <= len(_digits(found[0])) <= _MOST_PHONE_DIGITS
            yield enough and not _DATE.search(found[0])


def _addresses(text: str) -> Iterator[bool]:
    for found in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(found[1])
        except ValueError:
            continue
        yield not (address.is_loopback or address.is_unspecified or address in _LOCAL)


class _Networks:
    """The networks in which an address tells nothing about a person."""

    def __init__(self, *networks: str) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(address in network for network in self._networks)


_LOCAL = _Networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


_FINDERS: dict[PatternClass, Callable[[str], Iterator[bool]]] = {
    "email": _emails,
    "phone": _phones,
    "card": _cards,
    "iban": _ibans,
    "ssn": _ssns,
    "ip": _addresses,
}
