{# The first heading of a markdown text; NULL without one. #}
{% macro markdown_title(content) -%}
    {{ return(adapter.dispatch('markdown_title', 'grounded')(content)) }}
{%- endmacro %}

{% macro duckdb__markdown_title(content) -%}
    nullif(trim(regexp_extract({{ content }}, '(?m)^#[ \t]+(\S.*?)[ \t#]*\r?$', 1)), '')
{%- endmacro %}

{# The name of a file without its folders and its last suffix. #}
{% macro file_stem(path) -%}
    {{ return(adapter.dispatch('file_stem', 'grounded')(path)) }}
{%- endmacro %}

{% macro duckdb__file_stem(path) -%}
    regexp_extract({{ path }}, '([^/]+?)(?:\.[^./]*)?$', 1)
{%- endmacro %}
