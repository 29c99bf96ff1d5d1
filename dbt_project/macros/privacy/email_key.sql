{% macro email_key(column) -%}
    privacy.email_key({{ column }})
{%- endmacro %}

{% macro default__email_key(email) -%}
    privacy.pseudonym(lower({{ clean_text(email) }}), 'email', 'eml')
{%- endmacro %}
