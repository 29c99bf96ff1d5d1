{# Initials: `José Álvarez` is `J. Á.`. Words of one letter are dropped, as their initial is the
   whole word; NULL where none is left. #}
{% macro mask_name(column) -%}
    {{ return(adapter.dispatch('mask_name', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__mask_name(column) -%}
    nullif(
        array_to_string(
            [
                upper(word[1]) || '.'
                for word in regexp_extract_all(
                    nfc_normalize(cast({{ column }} as varchar)), '\p{L}[\p{L}\p{M}''’-]*'
                )
                if regexp_matches(word, '\p{L}.*\p{L}')
            ],
            ' '
        ),
        ''
    )
{%- endmacro %}
