{# `person` is a column that identifies whose date it is: all dates of one person move by as many
   days, so that what lies between them stays. #}
{% macro shift_date(column, person) -%}
    privacy.shift_date({{ column }}, {{ person }})
{%- endmacro %}

{# Dates that could leave the calendar are hidden: the error would quote them. #}
{% macro duckdb__shift_date(moment, person) -%}
    case
        when {{ moment }} between date '0002-01-01' and date '9998-12-31'
            then cast({{ moment }} as date) + cast(privacy.days_of_person({{ person }}) as integer)
    end
{%- endmacro %}

{% macro shift_timestamp(column, person) -%}
    privacy.shift_timestamp({{ column }}, {{ person }})
{%- endmacro %}

{% macro duckdb__shift_timestamp(moment, person) -%}
    case
        when {{ moment }} between date '0002-01-01' and date '9998-12-31'
            then {{ moment }} + to_days(cast(privacy.days_of_person({{ person }}) as integer))
    end
{%- endmacro %}

{# From -182 to 182 days and never none. #}
{% macro duckdb__days_of_person(person) -%}
    [day for day in range(-182, 183) if day <> 0][
        1 + cast(
            '0x' || left(privacy.keyed_hash('date_shift:' || {{ clean_text(person) }}), 15) as bigint
        ) % 364
    ]
{%- endmacro %}
