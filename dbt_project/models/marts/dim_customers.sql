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
