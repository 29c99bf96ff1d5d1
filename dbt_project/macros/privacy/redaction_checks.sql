{# Tells whether a run of letters and digits is what it looks like: checksums, issuers, lengths.
   Each function takes the bare characters and gives false for anything else. They run on
   candidates alone, so their speed hardly matters. #}
{% macro redaction_checks() %}
create or replace function redaction.bare(value) as (
    upper(regexp_replace(value, '[^0-9A-Za-z]', '', 'g'))
);

-- The digits of a text times their weights, summed.
create or replace function redaction.weighed(digits, weights) as (
    coalesce(list_sum(list_transform(
        weights, lambda weight, place: weight * try_cast(digits[place] as integer)
    )), 0)
);

create or replace function redaction.is_luhn(digits) as (
    coalesce(
        list_sum(list_transform(
            string_split(reverse(digits), ''),
            lambda digit, place: case
                when place % 2 = 1 then try_cast(digit as integer)
                else [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][try_cast(digit as integer) + 1]
            end
        )) % 10 = 0,
        false
    )
);

-- Thirteen digits and fewer are an article number (EAN, UPC) as often as an old card: these need
-- the word card beside them.
create or replace function redaction.is_card_number(digits) as (
    regexp_full_match(
        digits,
        '4\d{15}|4\d{18}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[0-2])\d{13}|220[0-4]\d{12,15}'
        || '|3[47]\d{13}|3(?:0[0-5]|09|[689]\d)\d{11}|(?:2131|1800)\d{11}|35\d{14}'
        || '|(?:5[0678]|6\d)\d{12,17}|8[12]\d{14}'
    )
    and not regexp_full_match(digits, '0+|1+|2+|3+|4+|5+|6+|7+|8+|9+')
    and redaction.is_luhn(digits)
);

-- A card number, alone or with the three or four digits from its back.
create or replace function redaction.starts_with_card(digits) as (
    redaction.is_card_number(digits)
    or redaction.is_card_number(left(digits, 16))
    or redaction.is_card_number(left(digits, 15))
);

create or replace function redaction.iban_length(country) as (
    coalesce(map {
        'AD': 24, 'AE': 23, 'AL': 28, 'AT': 20, 'AZ': 28, 'BA': 20, 'BE': 16, 'BG': 22, 'BH': 22,
        'BI': 27, 'BR': 29, 'BY': 28, 'CH': 21, 'CR': 22, 'CY': 28, 'CZ': 24, 'DE': 22, 'DJ': 27,
        'DK': 18, 'DO': 28, 'EE': 20, 'EG': 29, 'ES': 24, 'FI': 18, 'FK': 18, 'FO': 18, 'FR': 27,
        'GB': 22, 'GE': 22, 'GI': 23, 'GL': 18, 'GR': 27, 'GT': 28, 'HN': 28, 'HR': 21, 'HU': 28,
        'IE': 22, 'IL': 23, 'IQ': 23, 'IS': 26, 'IT': 27, 'JO': 30, 'KW': 30, 'KZ': 20, 'LB': 28,
        'LC': 32, 'LI': 21, 'LT': 20, 'LU': 20, 'LV': 21, 'LY': 25, 'MC': 27, 'MD': 24, 'ME': 22,
        'MK': 19, 'MN': 20, 'MR': 27, 'MT': 31, 'MU': 30, 'NI': 28, 'NL': 18, 'NO': 15, 'OM': 23,
        'PK': 24, 'PL': 28, 'PS': 29, 'PT': 25, 'QA': 29, 'RO': 24, 'RS': 22, 'RU': 33, 'SA': 24,
        'SC': 31, 'SD': 18, 'SE': 24, 'SI': 19, 'SK': 24, 'SM': 27, 'SO': 23, 'ST': 25, 'SV': 28,
        'TL': 23, 'TN': 24, 'TR': 26, 'UA': 29, 'VA': 22, 'VG': 24, 'XK': 20, 'YE': 30
    }[country], 0)
);

-- ISO 13616: the first four characters go last, letters become 10 to 35, and the number is 1
-- modulo 97.
create or replace function redaction.is_iban(compact) as (
    length(compact) = redaction.iban_length(left(compact, 2))
    and list_reduce(
        list_transform(
            string_split(compact[5:] || left(compact, 4), ''),
            lambda sign: case
                when sign >= 'A' then ascii(sign) - 55 else try_cast(sign as integer)
            end
        ),
        lambda rest, number: (rest * case when number > 9 then 100 else 10 end + number) % 97
    ) = 1
);

-- Germany, ISO 7064 MOD 11,10: one digit occurs twice or thrice among the first ten.
create or replace function redaction.is_steuer_id(digits) as (
    regexp_full_match(digits, '[1-9]\d{10}')
    and len(list_distinct(string_split(left(digits, 10), ''))) in (8, 9)
    and (11 - list_reduce(
        list_transform(string_split(left(digits, 10), ''), lambda digit: try_cast(digit as integer)),
        lambda product, digit: case
            when (digit + product) % 10 = 0 then 9 else (digit + product) % 10 * 2 % 11
        end,
        10
    )) % 10 = try_cast(digits[11] as integer)
);

-- France, the social security number with its key.
create or replace function redaction.is_nir(compact) as (
    regexp_full_match(
        compact,
        '[12]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d{2}|2[AB])\d{6}\d{2}'
    )
    and 97 - (
        try_cast(replace(replace(left(compact, 13), '2A', '19'), '2B', '18') as bigint) % 97
    ) = try_cast(right(compact, 2) as integer)
);

-- Spain, DNI and NIE with their letter.
create or replace function redaction.is_dni(compact) as (
    regexp_full_match(compact, '[0-9XYZ]\d{7}[A-Z]')
    and 'TRWAGMYFPDXBNJZSQVHLCKE'[
        try_cast(translate(left(compact, 8), 'XYZ', '012') as integer) % 23 + 1
    ] = compact[9]
);

-- Italy, with its check character; letters stand for digits where two people would share one.
create or replace function redaction.is_codice_fiscale(compact) as (
    regexp_full_match(
        compact,
        '[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]'
    )
    and list_sum(list_transform(
        string_split(left(compact, 15), ''),
        lambda sign, place: case
            when place % 2 = 1 then [
                1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
                25, 24, 23
            ][case when sign >= 'A' then ascii(sign) - 64 else ascii(sign) - 47 end]
            when sign >= 'A' then ascii(sign) - 65
            else ascii(sign) - 48
        end
    )) % 26 = ascii(compact[16]) - 65
);

-- The Netherlands, the test by eleven.
create or replace function redaction.is_bsn(digits) as (
    regexp_full_match(digits, '\d{9}') and digits <> '000000000'
    and redaction.weighed(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 = 0
);

-- Poland: a date of birth (the century is in the month) and a check digit.
create or replace function redaction.is_pesel(digits) as (
    regexp_full_match(digits, '\d{2}(?:[02468][1-9]|[13579][0-2])(?:0[1-9]|[12]\d|3[01])\d{5}')
    and redaction.weighed(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 = 0
);

-- Canada.
create or replace function redaction.is_sin(digits) as (
    regexp_full_match(digits, '[1-79]\d{8}') and redaction.is_luhn(digits)
);

-- Brazil, with both check digits.
create or replace function redaction.is_cpf(digits) as (
    regexp_full_match(digits, '\d{11}')
    and len(list_distinct(string_split(digits, ''))) > 1
    and redaction.weighed(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
        = try_cast(digits[10] as integer)
    and redaction.weighed(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10
        = try_cast(digits[11] as integer)
);

-- India, Verhoeff's checksum: the permutations in rows of ten, then the group's table.
create or replace function redaction.is_aadhaar(digits) as (
    regexp_full_match(digits, '[2-9]\d{11}')
    and list_reduce(
        list_transform(
            string_split(reverse(digits), ''),
            lambda digit, place: try_cast(('0123456789' || '1576283094' || '5803796142' || '8916043527'
                || '9453126870' || '4286573901' || '2793806415' || '7046913258'
            )[(place - 1) % 8 * 10 + try_cast(digit as integer) + 1] as integer)
        ),
        lambda rest, digit: try_cast(('0123456789' || '1234067895' || '2340178956' || '3401289567'
            || '4012395678' || '5987604321' || '6598710432' || '7659821043' || '8765932104'
            || '9876543210'
        )[rest * 10 + digit + 1] as integer),
        0
    ) = 0
);

-- Any of the numbers above whose form alone is rare enough to be told from a code.
create or replace function redaction.is_telling_id(compact) as (
    redaction.is_nir(compact) or redaction.is_dni(compact) or redaction.is_codice_fiscale(compact)
    or regexp_full_match(
        compact,
        -- the UK's NINO has no check but prefixes that are never given; India's PAN tells its
        -- holder's kind in the fourth letter
        '(?:[ACEHJ-LM-PRSW-Y][A-CEGHJ-NPR-TW-Z]|B[ABEHJ-NPR-TW-Z]|G[ACEGHJ-MPR-TW-Z]'
        || '|K[A-CEGHJ-MPR-TW-Z]|N[A-CEGHJLMNPR-SW-Z]|T[A-CEGHJ-MPR-TW-Z]|Z[A-CEGHJ-NPR-TW-Y])'
        || '\d{6}[A-D]|[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]'
    )
);

-- Any of the numbers that are digits alone, which need a word beside them or their own grouping.
create or replace function redaction.is_plain_id(digits) as (
    redaction.is_steuer_id(digits) or redaction.is_bsn(digits) or redaction.is_pesel(digits)
    or redaction.is_sin(digits) or redaction.is_cpf(digits) or redaction.is_aadhaar(digits)
    or redaction.is_nir(digits)
);
{% endmacro %}
