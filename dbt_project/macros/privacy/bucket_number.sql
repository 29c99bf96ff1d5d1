{% macro bucket_number(column, width) -%}
    {%- if width is not integer or width < 2 -%}
        {{ exceptions.raise_compiler_error(
            "bucket_number: a width is a whole number from 2 on, not " ~ width
        ) }}
    {%- endif -%}
    privacy.bucket_number({{ column }}, {{ width }})
{%- endmacro %}

{# `%` has the sign of its left side, hence twice: -1 is in the bucket that begins below zero. #}
{% macro duckdb__bucket_number(number, width) -%}
    {%- set whole -%}
        try_cast(floor({{ number }}) as hugeint)
    {%- endset -%}
    try_cast(
        {{ whole }} - (({{ whole }} % {{ width }}) + {{ width }}) % {{ width }} as bigint
    )
{%- endmacro %}
