{% macro mask_name(column) -%}
    privacy.mask_name({{ column }})
{%- endmacro %}

{% macro duckdb__mask_name(name) -%}
    nullif(
        array_to_string(
            [
                upper(word[1]) || '.'
                for word in regexp_extract_all(
                    nfc_normalize(cast({{ name }} as varchar)), '\p{L}[\p{L}\p{M}''’-]*'
                )
                if regexp_matches(word, '\p{L}.*\p{L}')
            ],
            ' '
        ),
        ''
    )
{%- endmacro %}
