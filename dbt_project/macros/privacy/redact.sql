{# A free text with typed placeholders in place of personal data: what looks like it, and the known
   values of the people that the text concerns, whatever these look like.
   `known` names their columns by class: {'name': [...], 'email': [...], 'phone': [...],
   'address': [...]}. A column of names may hold several, one a line. #}
{% macro redact(column, known={}) -%}
    {%- for class in known if class not in ('name', 'email', 'phone', 'address') -%}
        {{ exceptions.raise_compiler_error(
            "redact: '" ~ class ~ "' is no class of known values; use name, email, phone or address"
        ) }}
    {%- endfor -%}
    {{ return(adapter.dispatch('redact', 'grounded')(column, known)) }}
{%- endmacro %}

{% macro duckdb__redact(column, known) -%}
    {%- set text = namespace(sql='nfc_normalize(cast(' ~ column ~ ' as varchar))') -%}
    {%- for value in known.get('phone', []) -%}
        {%- set text.sql = replace_pattern(text.sql, known_phone_pattern(value), '<PHONE>') -%}
    {%- endfor -%}
    {%- for pattern, placeholder in redaction_patterns() -%}
        {%- set text.sql = replace_pattern(text.sql, "'" ~ pattern ~ "'", placeholder) -%}
    {%- endfor -%}
    {%- for value in known.get('email', []) -%}
        {%- set text.sql = replace_pattern(text.sql, known_text_pattern(value, 5), '<EMAIL>') -%}
    {%- endfor -%}
    {%- for value in known.get('address', []) -%}
        {%- set text.sql = replace_pattern(text.sql, known_text_pattern(value, 5), '<ADDRESS>') -%}
    {%- endfor -%}
    {%- if known.get('name') -%}
        {%- set text.sql = redact_names(text.sql, known['name']) -%}
    {%- endif -%}
    {{ return(text.sql) }}
{%- endmacro %}

{% macro replace_pattern(text, pattern, placeholder) -%}
    {{ return("regexp_replace(\n" ~ text ~ ",\n" ~ pattern ~ ", '" ~ placeholder ~ "', 'g')") }}
{%- endmacro %}
