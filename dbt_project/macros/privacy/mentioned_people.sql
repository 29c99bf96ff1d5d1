{# Which known people the texts of a relation mention, whoever wrote them: one row per key with the
   values of these people, by class, one a line, as `redact` takes them. `people` has the columns
   name, email, phone and address.
   What identifies somebody by itself: two words of a name side by side (in any order, case and
   accents, particles left out), an e-mail address, the last nine digits of a phone number, the
   first two words of an address if the rest follows. One word of a name alone does not: a fifth
   of all ordinary texts hold one.
   Texts and values become keys that are joined by hash, so it takes as long for one person as for
   a million. #}
{% macro mentioned_people(texts, key, columns, people) -%}
    {{ return(adapter.dispatch('mentioned_people', 'grounded')(texts, key, columns, people)) }}
{%- endmacro %}

{% macro duckdb__mentioned_people(texts, key, columns, people) -%}
    with text_keys as (

        select
            {{ key }},
            text,
            unnest(list_distinct(list_concat(
                redaction.name_pairs(text),
                redaction.mail_keys(text),
                redaction.phone_keys(text),
                redaction.address_keys(text)
            ))) as mention_key
        from (
            select
                {{ key }},
                redaction.readable(concat_ws(chr(10), {{ columns | join(', ') }})) as text
            from {{ texts }}
        ) as texts

    ),

    -- Of all who share a key one is enough, as what is hidden is the same; only the rest of an
    -- address tells which of several is meant.
    known_keys as (
        {% for class, keys in [
            ('name', 'redaction.known_name_keys(name)'),
            ('email', 'redaction.mail_keys(email)'),
            ('phone', 'redaction.phone_keys(phone)'),
        ] %}
        select '{{ class }}' as class, min({{ class }}) as value, mention_key
        from (select {{ class }}, unnest({{ keys }}) as mention_key from {{ people }}) as keys
        group by mention_key
        union all
        {% endfor %}
        select distinct
            'address' as class,
            address as value,
            unnest(redaction.address_keys(address)[:1]) as mention_key
        from {{ people }}

    ),

    mentions as (

        select distinct
            text_keys.{{ key }},
            known_keys.class,
            known_keys.value
        from text_keys
        inner join known_keys
            on text_keys.mention_key = known_keys.mention_key
        where
            known_keys.class <> 'address'
            or contains(
                redaction.words_of(text_keys.text), redaction.words_of(known_keys.value)
            )

    )

    select
        {{ key }}
        {%- for class in ('name', 'email', 'phone', 'address') %},
        string_agg(value, chr(10) order by value) filter (where class = '{{ class }}')
            as mentioned_{{ class }}
        {%- endfor %}
    from mentions
    group by {{ key }}
{%- endmacro %}

{# The functions that make the keys. #}
{% macro redaction_of_mentions() %}
{%- set scripts %}[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]{% endset %}

create or replace function redaction.telling_words(text) as (
    list_filter(
        regexp_extract_all(redaction.fold(text), '[\p{L}\p{M}]{2,}'),
        lambda word: not redaction.is_particle(word)
    )
);

create or replace function redaction.pairs(words) as (
    list_transform(
        list_zip(words[:-2], words[2:]),
        lambda pair: 'n:' || pair[1] || ' ' || pair[2]
    )
);

-- Words side by side; in a script without spaces, each two to four signs.
create or replace function redaction.name_pairs(text) as (
    {{ let('given', 'redaction.readable(text)', "list_concat(
        redaction.pairs(redaction.telling_words(given)),
        case
            when regexp_matches(given, '" ~ scripts ~ "') then flatten(list_transform(
                regexp_extract_all(given, '" ~ scripts ~ "{2,}'),
                lambda run: flatten(list_transform(
                    range(1, length(run)),
                    lambda place: [
                        'n:' || run[place:place + 1],
                        'n:' || run[place:place + 2],
                        'n:' || run[place:place + 3]
                    ]
                ))
            ))
            else []
        end
    )") }}
);

create or replace function redaction.known_name_keys(name) as (
    {{ let('given', 'redaction.readable(name)', let('spelt', "[
        redaction.telling_words(given),
        redaction.telling_words(
            replace(replace(replace(lower(given), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue')
        )
    ]", "list_distinct(list_concat(
        flatten(list_transform(spelt, lambda words: list_concat(
            redaction.pairs(words),
            list_concat(
                redaction.pairs(list_reverse(words)),
                redaction.pairs([words[1], words[-1], words[1]])
            )
        ))),
        case
            when regexp_full_match(given, '(?:" ~ scripts ~ "[ \\p{Zs}·・]*){2,}')
                then ['n:' || regexp_replace(given, '[ \\p{Zs}·・]+', '', 'g')]
            else []
        end
    ))")) }}
);

create or replace function redaction.mail_keys(text) as (
    list_transform(
        regexp_extract_all(lower(redaction.readable(text)), '[^\s<>"'',;:()\[\]]+@[^\s<>"'',;:()\[\]]*[^\s<>"'',;:()\[\].!?]'),
        lambda mail: 'e:' || mail
    )
);

create or replace function redaction.phone_keys(text) as (
    list_transform(
        regexp_extract_all(text, '\d(?:[\s().\-/\x{a0}]{0,3}\d){7,14}'),
        lambda number: 'p:' || right(redaction.digits_of(number), 9)
    )
);

create or replace function redaction.address_keys(text) as (
    {{ let('words', "string_split(trim(redaction.words_of(text)), ' ')", "list_transform(
        list_filter(
            list_zip(words[:-2], words[2:]),
            lambda pair: regexp_matches(pair[1], '\\d') <> regexp_matches(pair[2], '\\d')
        ),
        lambda pair: 'a:' || pair[1] || ' ' || pair[2]
    )") }}
);
{% endmacro %}
