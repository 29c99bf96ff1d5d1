{# A status, channel or other code in one spelling: `In Progress` and `in-progress` are
   `in_progress`; a missing one is `unknown`, so that a row filter can see it. #}
{% macro code_name(column) -%}
    coalesce(
        replace(replace(lower({{ clean_text(column) }}), ' ', '_'), '-', '_'),
        'unknown'
    )
{%- endmacro %}
