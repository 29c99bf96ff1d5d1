{# An exact amount with two decimals out of whole cents; no floating point on the way. #}
{% macro cents_to_currency(cents) -%}
    {{ return(adapter.dispatch('cents_to_currency', 'grounded')(cents)) }}
{%- endmacro %}

{% macro default__cents_to_currency(cents) -%}
    cast(cast({{ cents }} as numeric(20, 0)) * cast(0.01 as numeric(3, 2)) as numeric(18, 2))
{%- endmacro %}

{% macro duckdb__cents_to_currency(cents) -%}
    try_cast(
        try_cast({{ cents }} as decimal(20, 0)) * cast(0.01 as decimal(3, 2)) as decimal(18, 2)
    )
{%- endmacro %}
