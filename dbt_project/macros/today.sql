{# The current date, or the variable `as_of` (`--vars '{as_of: 2026-01-31}'`) that unit tests set. #}
{% macro today() -%}
    {%- if var('as_of', none) -%}
        cast('{{ var("as_of") }}' as date)
    {%- else -%}
        current_date
    {%- endif -%}
{%- endmacro %}
