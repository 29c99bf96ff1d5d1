{# The band of an age in whole years today; NULL for a date in the future or over 120 years ago. #}
{% macro age_band(column) -%}
    {{ return(adapter.dispatch('age_band', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__age_band(column) -%}
    case
        when {{ column }} is null or {{ column }} > {{ today() }} then null
        when date_sub('year', {{ column }}, {{ today() }}) < 18 then 'under 18'
        when date_sub('year', {{ column }}, {{ today() }}) < 25 then '18-24'
        when date_sub('year', {{ column }}, {{ today() }}) < 35 then '25-34'
        when date_sub('year', {{ column }}, {{ today() }}) < 45 then '35-44'
        when date_sub('year', {{ column }}, {{ today() }}) < 55 then '45-54'
        when date_sub('year', {{ column }}, {{ today() }}) < 65 then '55-64'
        when date_sub('year', {{ column }}, {{ today() }}) <= 120 then '65+'
    end
{%- endmacro %}
