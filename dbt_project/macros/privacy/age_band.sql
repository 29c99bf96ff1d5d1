{% macro age_band(column) -%}
    privacy.age_band({{ column }}, {{ today() }})
{%- endmacro %}

{% macro duckdb__age_band(birth_date, today) -%}
    case
        when {{ birth_date }} is null or {{ birth_date }} > {{ today }} then null
        when date_sub('year', {{ birth_date }}, {{ today }}) < 18 then 'under 18'
        when date_sub('year', {{ birth_date }}, {{ today }}) < 25 then '18-24'
        when date_sub('year', {{ birth_date }}, {{ today }}) < 35 then '25-34'
        when date_sub('year', {{ birth_date }}, {{ today }}) < 45 then '35-44'
        when date_sub('year', {{ birth_date }}, {{ today }}) < 55 then '45-54'
        when date_sub('year', {{ birth_date }}, {{ today }}) < 65 then '55-64'
        when date_sub('year', {{ birth_date }}, {{ today }}) <= 120 then '65+'
    end
{%- endmacro %}
