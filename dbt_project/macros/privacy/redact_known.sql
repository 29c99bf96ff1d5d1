{# Patterns and lists out of the known values of a row. A value that is missing or too short to be
   told from ordinary text becomes a pattern that matches nothing. #}

{% macro matches_nothing() -%}
    '[^\x00-\x{10FFFF}]'
{%- endmacro %}

{# The value itself, in any case and with any white space where it has some. The length is bounded,
   so that the pattern always compiles. #}
{% macro known_text_pattern(column, shortest) -%}
    case
        when length({{ clean_text(column) }}) >= {{ shortest }}
            then '(?i)' || regexp_replace(
                regexp_escape(left({{ clean_text(column) }}, 200)), '(?:\\?[\s\p{Zs}])+', '\\s+', 'g'
            )
        else {{ matches_nothing() }}
    end
{%- endmacro %}

{# The last seven digits of a phone number however they are grouped, with what is before them. #}
{% macro known_phone_pattern(column) -%}
    {%- set digits %}regexp_replace(cast({{ column }} as varchar), '\D', '', 'g'){% endset -%}
    case
        when length({{ digits }}) >= 7
            then '(?:[+(]*\d{1,4}[\s\p{Zs}().\-\x{2010}-\x{2015}/]*){0,3}'
                || regexp_replace(
                    left(right({{ digits }}, 7), 6),
                    '(\d)', '\1[\\s\\p{Zs}().\\-\\x{2010}-\\x{2015}/]*', 'g'
                )
                || right({{ digits }}, 1)
        else {{ matches_nothing() }}
    end
{%- endmacro %}

{# A name without case and accents, as names are compared: upper first, as only that makes `ſ` an
   `s`; the letters that Unicode does not take apart by hand. #}
{% macro fold(expression) -%}
    replace(
        translate(lower(upper(strip_accents(nfc_normalize({{ expression }})))), 'øłđð', 'oldd'),
        'ß', 'ss'
    )
{%- endmacro %}

{# All names of a list as one text, one a line; never NULL. #}
{% macro name_lines(names) -%}
    nfc_normalize(coalesce(array_to_string({{ names }}, chr(10)), ''))
{%- endmacro %}

{# The same text as German speakers type it without umlauts: `Müller` is `Mueller`. #}
{% macro umlauts_spelt_out(names) -%}
    replace(replace(replace(lower({{ name_lines(names) }}), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue')
{%- endmacro %}

{# The folded words that a name is known by: its parts, and what is
   written together with what a space, hyphen or apostrophe parts (`anasilva`, `obrien`). #}
{% macro known_name_words(names) -%}
    list_distinct(list_concat(
        [
            part for part in regexp_extract_all(
                {{ fold(name_lines(names)) }} || ' ' || {{ fold(umlauts_spelt_out(names)) }},
                '[\p{L}\p{M}]+'
            )
            if length(part) >= 2 and part not in (
                'al', 'am', 'an', 'as', 'at', 'be', 'by', 'da', 'de', 'di', 'do', 'dr', 'el', 'go',
                'he', 'hi', 'if', 'in', 'is', 'it', 'jr', 'la', 'le', 'me', 'mr', 'ms', 'my', 'no',
                'of', 'oh', 'ok', 'on', 'or', 'so', 'sr', 'to', 'up', 'us', 'we', 'and', 'the',
                'mrs', 'von', 'van', 'der', 'den', 'del'
            )
        ],
        [
            joined for joined in list_concat(
                string_split(
                    regexp_replace({{ fold(name_lines(names)) }}, '[^\p{L}\p{M}\n]', '', 'g'),
                    chr(10)
                ),
                string_split_regex(
                    regexp_replace({{ fold(name_lines(names)) }}, '[^\p{L}\p{M}\s]', '', 'g'),
                    '\s+'
                ),
                string_split_regex(
                    regexp_replace({{ fold(name_lines(names)) }}, '[^\p{L}\p{M}\s-]', '', 'g'),
                    '[\s-]+'
                )
            )
            if length(joined) >= 5
        ]
    ))
{%- endmacro %}

{# What is replaced as it is written: whole names, and every part of a name in a script that puts no
   space between words; the longest first. #}
{% macro known_name_literals(names) -%}
    {%- set scripts %}[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]{% endset -%}
    list_transform(
        list_reverse_sort(
            [
                {'size': length(literal), 'text': literal}
                for literal in list_distinct(list_concat(
                    string_split({{ name_lines(names) }}, chr(10)),
                    string_split_regex({{ name_lines(names) }}, '[\s\p{Zs}·・]+'),
                    string_split(
                        regexp_replace({{ name_lines(names) }}, '[ \p{Zs}·・]+', '', 'g'), chr(10)
                    )
                ))
                if length(literal) >= 2
                and (
                    regexp_matches(literal, '{{ scripts }}')
                    or regexp_matches(literal, '^\p{L}[\p{L}\p{M}.''’-]* .*\p{L}')
                )
            ]
        ),
        lambda literal: literal.text
    )
{%- endmacro %}

{# Hides known names, word by word. A name that is also an ordinary English word (`Will`, `Rose`)
   stays where it is written in lower case, as does a part of two letters. #}
{% macro redact_names(text, names) -%}
    regexp_replace(
        list_transform(
            [{'words': {{ known_name_words(names) }}, 'literals': {{ known_name_literals(names) }}}],
            lambda known: array_to_string(
                [
                    case
                        when not list_contains(known.words, {{ fold('word') }}) then word
                        when word <> lower(word) then '<NAME>'
                        when length(word) = 2 or word in (
                            'art', 'bill', 'bond', 'brown', 'card', 'cash', 'chance', 'chase',
                            'christian', 'cook', 'day', 'dean', 'drew', 'faith', 'frank', 'gold',
                            'grace', 'grant', 'gray', 'green', 'guy', 'hope', 'house', 'jack', 'joy',
                            'king', 'lane', 'long', 'low', 'mark', 'may', 'mike', 'miles', 'page',
                            'park', 'pat', 'price', 'ray', 'read', 'rich', 'rob', 'rose', 'sale',
                            'short', 'small', 'stone', 'sue', 'summer', 'sunny', 'white', 'will',
                            'wood', 'woods', 'young'
                        ) then word
                        else '<NAME>'
                    end
                    for word in regexp_extract_all(
                        list_reduce(
                            known.literals,
                            lambda hidden, literal: replace(hidden, literal, '<NAME>'),
                            {{ text }}
                        ),
                        '<[A-Z]+>|[\p{L}\p{M}]+|[^\p{L}\p{M}<]+|<'
                    )
                ],
                ''
            )
        )[1],
        '<NAME>(?:[\s\p{Zs}.’''\-]{1,3}<NAME>)+', '<NAME>', 'g'
    )
{%- endmacro %}
