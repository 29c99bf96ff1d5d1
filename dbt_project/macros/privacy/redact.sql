{# `known` names columns by class: {'name': [...], 'email': [...], 'phone': [...], 'address': [...]}.
   A column of names may hold several, one a line. #}
{% macro redact(column, known={}) -%}
    {%- for class in known if class not in ('name', 'email', 'phone', 'address') -%}
        {{ exceptions.raise_compiler_error(
            "redact: '" ~ class ~ "' is no class of known values; use name, email, phone or address"
        ) }}
    {%- endfor -%}
    privacy.redact(
        {{ column }}
        {%- for class in ('name', 'email', 'phone', 'address') -%}
        , cast([{{ known.get(class, []) | join(', ') }}] as varchar[])
        {%- endfor -%}
    )
{%- endmacro %}

{% macro duckdb__redact(text, names, emails, phones, addresses) -%}
    {%- set shown = namespace(sql='nfc_normalize(cast(' ~ text ~ ' as varchar))') -%}
    {%- set shown.sql = replace_known(shown.sql, phones, known_phone_pattern('value'), '<PHONE>') -%}
    {%- for pattern, placeholder in redaction_patterns() -%}
        {%- set shown.sql = replace_pattern(shown.sql, "'" ~ pattern ~ "'", placeholder) -%}
    {%- endfor -%}
    {%- set shown.sql = replace_known(shown.sql, emails, known_text_pattern('value', 5), '<EMAIL>') -%}
    {%- set shown.sql = replace_known(
        shown.sql, addresses, known_text_pattern('value', 5), '<ADDRESS>'
    ) -%}
    {{ return(redact_names(shown.sql, names)) }}
{%- endmacro %}

{% macro replace_pattern(text, pattern, placeholder) -%}
    {{ return("regexp_replace(\n" ~ text ~ ",\n" ~ pattern ~ ", '" ~ placeholder ~ "', 'g')") }}
{%- endmacro %}

{# Replaces what matches the `pattern` of any `value` of a list. #}
{% macro replace_known(text, list, pattern, placeholder) -%}
    {{ return(
        "list_reduce(\n[" ~ pattern ~ " for value in " ~ list ~ "],\nlambda shown, pattern: "
        ~ replace_pattern('shown', 'pattern', placeholder) ~ ",\n" ~ text ~ ")"
    ) }}
{%- endmacro %}
