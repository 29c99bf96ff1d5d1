{# What personal data looks like, as RE2 patterns, and the checks that a find must pass.
   RE2 has no look-around: what stands before a find is captured and put back, and where a check
   is needed the finds are set between marks, the text is split at these, and each find is judged
   by itself. So a check runs on candidates alone and a text without any costs one search. #}

{# A noncharacter of Unicode, which is taken out of each text before. #}
{% macro find_mark() -%} chr(64976) {%- endmacro %}

{# SQL: `body` with `name` for `value`. A SQL function is expanded where it is called, and so is its
   argument wherever the body names it: what is named twice in each of ten nested functions is
   computed a thousand times. So a function of the redaction names its text once. #}
{% macro let(name, value, body) -%}
    list_transform([{{ value }}], lambda {{ name }}: {{ body }})[1]
{%- endmacro %}

{# SQL: `text` with `placeholder` for each find. The pattern's first group is kept. #}
{% macro hide(text, pattern, placeholder) -%}
    regexp_replace({{ text }}, '{{ pattern | replace("'", "''") }}', '\1{{ placeholder }}', 'g')
{%- endmacro %}

{# SQL: `text` with each find (the pattern's second group, after the first) as `verdict` says, an
   SQL expression over `piece`. #}
{% macro judge(text, pattern, verdict) -%}
    {%- set marked -%}
        regexp_replace(
            {{ text }},
            '{{ pattern | replace("'", "''") }}',
            '\1' || {{ find_mark() }} || '\2' || {{ find_mark() }},
            'g'
        )
    {%- endset -%}
    {%- set judged -%}
        case
            when not contains(marked, {{ find_mark() }}) then marked
            else array_to_string(
                list_transform(
                    string_split(marked, {{ find_mark() }}),
                    lambda piece, place: case when place % 2 = 1 then piece else {{ verdict }} end
                ),
                ''
            )
        end
    {%- endset -%}
    {{ let('marked', marked, judged) }}
{%- endmacro %}

{# SQL: `body`, over `whole`, for the texts that meet `condition`; the others as they are. #}
{% macro only_if(condition, body) -%}
    {{ let('whole', 'text', 'case when ' ~ condition ~ ' then ' ~ body ~ ' else whole end') }}
{%- endmacro %}

{# All functions of the patterns. `hide_patterns` applies them in an order in which what contains
   another kind (a URL its password, an IBAN its digits, an address its numbers) goes first. #}
{% macro redaction_patterns() %}
{{ redaction_of_secrets() }}
{{ redaction_of_urls() }}
{{ redaction_of_emails() }}
{{ redaction_of_accounts() }}
{{ redaction_of_national_ids() }}
{{ redaction_of_networks() }}
{{ redaction_of_birth_dates() }}
{{ redaction_of_phones() }}
{{ redaction_of_addresses() }}

create or replace function redaction.hide_numbers_once(text) as (
    {{ only_if(
        "regexp_matches(whole, '\\d(?:[^\\d]{0,4}[\\dA-Za-z]){6}|[A-Z]{5}\\d{4}[A-Z]|[\\da-fA-F]:[\\da-fA-F:]')",
        "redaction.hide_phones(redaction.hide_birth_dates(redaction.hide_networks("
        ~ "redaction.hide_national_ids(redaction.hide_accounts(whole)))))"
    ) }}
);

-- Where something was found, what touched it stands alone now, so it is looked at again.
create or replace function redaction.hide_numbers(text) as (
    {{ let('given', 'text', let(
        'hidden',
        'redaction.hide_numbers_once(given)',
        'case when hidden = given then hidden else redaction.hide_numbers_once(hidden) end'
    )) }}
);

create or replace function redaction.hide_patterns(text) as (
    redaction.hide_addresses(redaction.hide_numbers(redaction.hide_emails(
        redaction.hide_urls(redaction.hide_secrets(text))
    )))
);
{% endmacro %}
