{{ config(
    materialized='keyed',
    unique_key='customer_id',
    meta={'changes': {
        'inputs': {'stg_shop__customers': 'customer_id'},
    }},
) }}

select
    customer_id,
    full_name,
    email,
    phone,
    street,
    postcode,
    city,
    country,
    birth_date,
    marketing_opt_in,
    created_at,
    updated_at
from {{ ref('stg_shop__customers') }}
