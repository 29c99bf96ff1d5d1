{# Hides the known values of a row. Values that are missing, or too short to be told from ordinary
   text, hide nothing. A pattern made of a value is compiled for its row, which takes longer than
   all else: each is tried on the texts alone that hold the value's plain form. #}

{# SQL: `text` after `hide`, over `hidden` and `value`, with each of the `values` whose `form` is in
   the text's own `form`. #}
{% macro each_known(values, text_form, value_form, hide) -%}
    {{ let(
        'known',
        "{'text': text, 'values': " ~ values ~ "}",
        'case when len(known.values) = 0 then known.text else ' ~ let(
            'form',
            text_form,
            'list_reduce(list_filter(known.values, lambda value: contains(form, ' ~ value_form
            ~ ')), lambda hidden, value: ' ~ hide ~ ', known.text)'
        ) ~ ' end'
    ) }}
{%- endmacro %}

{% macro redaction_of_known_values() %}
{%- set mark_open %}chr(64977){% endset -%}
{%- set mark_close %}chr(64978){% endset -%}
{%- set scripts %}[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]{% endset %}

-- Composed, and without the marks that the redaction itself sets. DuckDB's nfc_normalize and
-- strip_accents end a text at its first NUL, so a NUL becomes a space before.
create or replace function redaction.readable(text) as (
    replace(replace(replace(
        nfc_normalize(replace(cast(text as varchar), chr(0), ' ')), {{ find_mark() }}, ''
    ), {{ mark_open }}, ''), {{ mark_close }}, '')
);

-- All values of some columns, each with something on its line, the longest first.
create or replace function redaction.lines(columns) as (
    list_transform(
        list_reverse_sort(list_transform(
            list_distinct(list_filter(
                list_transform(
                    string_split(
                        redaction.readable(
                            coalesce(array_to_string(cast(columns as varchar[]), chr(10)), '')
                        ),
                        chr(10)
                    ),
                    lambda line: regexp_replace(
                        line, '^[\s\p{Z}\p{Cc}]+|[\s\p{Z}\p{Cc}]+$', '', 'g'
                    )
                ),
                lambda line: length(line) >= 2
            )),
            lambda line: {'size': length(line), 'line': line}
        )),
        lambda sized: sized.line
    )
);

-- Without case and accents, as values are compared: upper first, as only that makes `ſ` an `s`;
-- the letters that Unicode does not take apart by hand.
create or replace function redaction.fold(text) as (
    replace(replace(
        translate(
            lower(upper(strip_accents(nfc_normalize(replace(text, chr(0), ' '))))),
            'øłđðı', 'olddi'
        ),
        'ß', 'ss'
    ), 'æ', 'ae')
);

-- Folded words with one space between and around them.
create or replace function redaction.words_of(text) as (
    regexp_replace(' ' || redaction.fold(text) || ' ', '[^\p{L}\p{M}\p{N}]+', ' ', 'g')
);

create or replace function redaction.digits_of(text) as (
    regexp_replace(text, '\D', '', 'g')
);

-- The last seven digits of a phone number however they are grouped, with what is before them.
create or replace function redaction.hide_known_phones(text, phones) as (
    {% set gap %}[\\s\\p{Zs}().\\-\\x{2010}-\\x{2015}/]*{% endset -%}
    {{ each_known(
        'list_filter(list_transform(phones, lambda phone: redaction.digits_of(phone)), '
        ~ 'lambda digits: length(digits) >= 7)',
        'redaction.digits_of(known.text)',
        'right(value, 7)',
        "regexp_replace(
            hidden,
            '(?:[+(]*\\d{1,4}[\\s\\p{Zs}().\\-\\x{2010}-\\x{2015}/]*){0,3}'
            || regexp_replace(right(value, 7)[:6], '(\\d)', '\\1" ~ gap ~ "', 'g')
            || right(value, 1),
            '<PHONE>', 'g'
        )"
    ) }}
);

-- In any case; at least five characters.
create or replace function redaction.hide_known_emails(text, emails) as (
    {{ each_known(
        'list_filter(emails, lambda email: length(email) >= 5)',
        'lower(known.text)',
        'lower(value)',
        "regexp_replace(hidden, '(?i)' || regexp_escape(left(value, 200)), '<EMAIL>', 'g')"
    ) }}
);

-- In any case, with or without accents, whatever stands between its words.
create or replace function redaction.hide_known_addresses(text, addresses) as (
    {{ each_known(
        'list_filter(addresses, lambda address: length(trim(redaction.words_of(address))) >= 4)',
        'redaction.words_of(known.text)',
        'redaction.words_of(left(value, 200))',
        "regexp_replace(
            hidden,
            '(?i)(^|[^\\p{L}\\p{M}\\p{N}])' || array_to_string(
                list_transform(
                    string_split(trim(redaction.words_of(left(value, 200))), ' '),
                    lambda word: redaction.accented(word)
                ),
                '[^\\p{L}\\p{M}\\p{N}]+'
            ) || '([^\\p{L}\\p{M}\\p{N}]|$)',
            '\\1<ADDRESS>\\2', 'g'
        )"
    ) }}
);

-- A pattern for a folded word, which takes letters with accents too, and one letter that is folded
-- into two (`ß`, `æ`). It is as wide as it is simple: the text is known to hold the word.
create or replace function redaction.accented(word) as (
    replace(
        regexp_replace(
            regexp_replace(word, '(s)s|(a)e|(o)e', '\1\2\3~', 'g'),
            '([a-z])', '[\1\\x{C0}-\\x{24F}\\x{1E00}-\\x{1EFF}]', 'g'
        ),
        '~', '[a-z\x{C0}-\x{24F}\x{1E00}-\x{1EFF}]?'
    )
);

create or replace function redaction.is_particle(word) as (
    word in (
        'al', 'am', 'an', 'as', 'at', 'be', 'by', 'da', 'de', 'di', 'do', 'dr', 'el', 'go', 'he',
        'hi', 'if', 'in', 'is', 'it', 'jr', 'la', 'le', 'me', 'mr', 'ms', 'my', 'no', 'of', 'oh',
        'ok', 'on', 'or', 'so', 'sr', 'to', 'up', 'us', 'we', 'and', 'the', 'mrs', 'von', 'van',
        'der', 'den', 'del'
    )
);

-- The folded words that a name is known by: its parts, also as German speakers type them without
-- umlauts, and what is written together with what a space, hyphen or apostrophe parts.
create or replace function redaction.name_words(name) as (
    list_distinct(list_concat(
        list_filter(
            regexp_extract_all(
                redaction.fold(name) || ' ' || redaction.fold(
                    replace(replace(replace(lower(name), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue')
                ),
                '[\p{L}\p{M}]+'
            ),
            lambda part: length(part) >= 2 and not redaction.is_particle(part)
        ),
        list_filter(
            list_concat(
                [regexp_replace(redaction.fold(name), '[^\p{L}\p{M}]', '', 'g')],
                list_concat(
                    string_split_regex(
                        regexp_replace(redaction.fold(name), '[^\p{L}\p{M}\s]', '', 'g'), '\s+'
                    ),
                    string_split_regex(
                        regexp_replace(redaction.fold(name), '[^\p{L}\p{M}\s-]', '', 'g'), '[\s-]+'
                    )
                )
            ),
            lambda joined: length(joined) >= 5
        )
    ))
);

-- What is replaced as it is written: the whole name, and every part of a name in a script that
-- puts no space between words; the longest first.
create or replace function redaction.name_literals(name) as (
    list_filter(
        list_concat(
            [name, regexp_replace(name, '[ \p{Zs}·・]+', '', 'g')],
            string_split_regex(name, '[\s\p{Zs}·・]+')
        ),
        lambda literal: length(literal) >= 2
            and (
                regexp_matches(literal, '{{ scripts }}')
                or regexp_matches(literal, '^\p{L}[\p{L}\p{M}.''’-]* .*\p{L}')
            )
    )
);

-- An ordinary word that is a name as well stays where it is written in lower case, as does a part
-- of two letters.
create or replace function redaction.is_ordinary_word(word) as (
    word = lower(word)
    and (
        length(word) = 2
        or word in (
            'art', 'bill', 'bond', 'brown', 'card', 'cash', 'chance', 'chase', 'christian', 'cook',
            'day', 'dean', 'drew', 'faith', 'frank', 'gold', 'grace', 'grant', 'gray', 'green',
            'guy', 'hope', 'house', 'jack', 'joy', 'king', 'lane', 'long', 'low', 'mark', 'may',
            'mike', 'miles', 'page', 'park', 'pat', 'price', 'ray', 'read', 'rich', 'rob', 'rose',
            'sale', 'short', 'small', 'stone', 'sue', 'summer', 'sunny', 'white', 'will', 'wood',
            'woods', 'young'
        )
    )
);

-- Each mention of a name becomes the numbers of the people who bear it, between marks. Folding
-- takes most of the time, so the text is folded once; only where that changes its number of words
-- is each word folded by itself.
create or replace function redaction.mark_names(text, people) as (
    {% set piece %}\x{FDD1}\d+\x{FDD2}|<[A-Za-z_]+\d*>|[\p{L}\p{M}]+|[^\p{L}\p{M}<\x{FDD1}]+|<{% endset -%}
    {%- set literals -%}
        list_reduce(
            flatten(list_transform(
                given.people,
                lambda person, number: list_transform(
                    person.literals, lambda literal: number || '=' || literal
                )
            )),
            lambda marked, literal: replace(
                marked,
                literal[strpos(literal, '=') + 1:],
                {{ mark_open }} || literal[:strpos(literal, '=') - 1] || {{ mark_close }}
            ),
            given.text
        )
    {%- endset -%}
    {%- set pieces -%}
        {
            'written': regexp_extract_all(marked, '{{ piece }}'),
            'folded': regexp_extract_all(redaction.fold(marked), '{{ piece }}'),
            'words': flatten(list_transform(given.people, lambda person: person.words)),
            'people': given.people
        }
    {%- endset -%}
    {%- set numbers -%}
        array_to_string(
            list_transform(
                found.people,
                lambda person, number: case
                    when list_contains(person.words, redaction.fold(word.written)) then number
                end
            ),
            ','
        )
    {%- endset -%}
    {%- set marked_words -%}
        array_to_string(
            list_transform(
                case
                    when len(found.written) = len(found.folded) then list_transform(
                        list_zip(found.written, found.folded),
                        lambda pair: {'written': pair[1], 'folded': pair[2]}
                    )
                    else list_transform(
                        found.written,
                        lambda written: {'written': written, 'folded': redaction.fold(written)}
                    )
                end,
                lambda word: case
                    when not list_contains(found.words, word.folded)
                        or redaction.is_ordinary_word(word.written)
                        then word.written
                    else {{ mark_open }} || {{ numbers }} || {{ mark_close }}
                end
            ),
            ''
        )
    {%- endset -%}
    {{ let(
        'given',
        "{'text': text, 'people': people}",
        let('marked', literals, let('found', pieces, marked_words))
    ) }}
);

-- One mention, marked word by word, as marks of one person: of several who share a word, the one
-- whom most of the mention's words name. Two people side by side stay two.
create or replace function redaction.one_mark(mention) as (
    list_transform(
        [{
            'parts': regexp_extract_all(mention, '\x{FDD1}[\d,]+\x{FDD2}|[^\x{FDD1}\x{FDD2}]+'),
            'numbers': regexp_extract_all(mention, '\d+')
        }],
        lambda found: list_transform(
            [list_transform(
                found.parts,
                lambda part: list_transform(
                    list_sort(list_transform(
                        regexp_extract_all(part, '\d+'),
                        lambda number: {
                            'fewer': -len(list_filter(
                                found.numbers, lambda other: other = number
                            )),
                            'number': try_cast(number as integer)
                        }
                    )),
                    lambda counted: counted.number
                )[1]
            )],
            lambda people: array_to_string(
                list_transform(
                    found.parts,
                    lambda part, place: case
                        when people[place] is null and people[place - 1] = people[place + 1]
                            then ''
                        when people[place] is null then part
                        when place > 2 and people[place] = people[place - 2] then ''
                        else {{ mark_open }} || people[place] || {{ mark_close }}
                    end
                ),
                ''
            )
        )[1]
    )[1]
);

-- People in the order in which the text mentions them, from 1, or from what it holds already.
create or replace function redaction.numbered(text) as (
    {% set replaced -%}
        list_reduce(
            list_transform(
                list_sort(list_transform(
                    list_distinct(regexp_extract_all(marked, '\x{FDD1}(\d+)\x{FDD2}', 1)),
                    lambda number: {
                        'place': strpos(marked, {{ mark_open }} || number || {{ mark_close }}),
                        'number': number
                    }
                )),
                lambda one, place: one.number || '=' || (place + coalesce(list_max(list_transform(
                    regexp_extract_all(marked, '<PERSON_(\d{1,6})>', 1),
                    lambda number: try_cast(number as integer)
                )), 0))
            ),
            lambda shown, pair: replace(
                shown,
                {{ mark_open }} || pair[:strpos(pair, '=') - 1] || {{ mark_close }},
                '<PERSON_' || pair[strpos(pair, '=') + 1:] || '>'
            ),
            marked
        )
    {%- endset -%}
    {{ let('marked', 'text', replaced) }}
);

create or replace function redaction.hide_known_names(text, names) as (
    {% set people -%}
        list_transform(
            known.names,
            lambda name: {
                'words': redaction.name_words(name), 'literals': redaction.name_literals(name)
            }
        )
    {%- endset -%}
    {#- Who is not mentioned at all costs no more than a look. -#}
    {%- set mentioned -%}
        list_filter(
            {{ people }},
            lambda person: list_bool_or(list_transform(
                list_concat(person.words, list_transform(
                    person.literals, lambda literal: redaction.fold(literal)
                )),
                lambda word: contains(form, word)
            ))
        )
    {%- endset -%}
    {%- set mention -%}
        ()((?:\x{FDD1}[\d,]+\x{FDD2}[ \t\p{Zs}.’'\-]{1,3})*\x{FDD1}[\d,]+\x{FDD2})
    {%- endset -%}
    {%- set hidden -%}
        case
            when len(people) = 0 then known.text
            else redaction.numbered({{ judge(
                'redaction.mark_names(known.text, people)', mention, 'redaction.one_mark(piece)'
            ) }})
        end
    {%- endset -%}
    {{ let(
        'known',
        "{'text': text, 'names': names}",
        'case when len(known.names) = 0 then known.text else '
        ~ let('form', 'redaction.fold(known.text)', let('people', mentioned, hidden)) ~ ' end'
    ) }}
);
{% endmacro %}
