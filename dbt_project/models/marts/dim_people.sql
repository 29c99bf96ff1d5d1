{#- A source of people is added here. -#}
{{ config(materialized='keyed', unique_key='person_id') }}

with people as (

    select full_name as name, email, phone, street as address
    from {{ ref('stg_shop__customers') }}
    union
    select requester_name, requester_email, null, null
    from {{ ref('stg_helpdesk__tickets') }}
    union
    select author_name, null, null, null
    from {{ ref('stg_helpdesk__comments') }}

)

select
    {{ dbt.hash(dbt.concat([
        "coalesce(name, '')", "chr(10)", "coalesce(email, '')", "chr(10)",
        "coalesce(phone, '')", "chr(10)", "coalesce(address, '')",
    ])) }} as person_id,
    name,
    email,
    phone,
    address
from people
