{# A title out of a slug in any spelling: `Blue-Kettle_XL` and `blue_kettle-xl` are
   `Blue Kettle XL`. Clothing sizes stay in capitals. #}
{% macro slug_to_title(slug) -%}
    {{ return(adapter.dispatch('slug_to_title', 'grounded')(slug)) }}
{%- endmacro %}

{% macro default__slug_to_title(slug) -%}
    initcap(replace(replace(trim({{ slug }}), '-', ' '), '_', ' '))
{%- endmacro %}

{% macro duckdb__slug_to_title(slug) -%}
    nullif(
        array_to_string(
            [
                case
                    when lower(word) in ('xs', 's', 'm', 'l', 'xl', 'xxl', 'xxxl') then upper(word)
                    else upper(word[1]) || lower(word[2:])
                end
                for word in regexp_split_to_array({{ slug }}, '[-_\s]+')
                if word <> ''
            ],
            ' '
        ),
        ''
    )
{%- endmacro %}
