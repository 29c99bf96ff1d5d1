{# The city alone of an address. A value that looks like more than a city (digits, commas, an `@`,
   over 60 characters) gives NULL. #}
{% macro address_city(column) -%}
    {{ return(adapter.dispatch('address_city', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__address_city(column) -%}
    nullif(
        regexp_extract({{ clean_text(column) }}, '^[\p{L}][\p{L}\p{M} .''’()/-]{0,59}$'),
        ''
    )
{%- endmacro %}
