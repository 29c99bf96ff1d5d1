{# Everybody whom the sources know by name, with what else is known of them: a row per appearance. A
   source of people is added here. #}
{% macro known_people() -%}
    select full_name as name, email, phone, street as address
    from {{ ref('stg_shop__customers') }}
    union
    select requester_name, requester_email, null, null
    from {{ ref('stg_helpdesk__tickets') }}
    union
    select author_name, null, null, null
    from {{ ref('stg_helpdesk__comments') }}
{%- endmacro %}
