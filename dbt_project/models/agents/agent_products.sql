{{ config(
    materialized='keyed',
    unique_key='product_id',
    meta={'changes': {
        'inputs': {'dim_products': 'product_id'},
    }},
) }}

select
    product_id,
    sku,
    title,
    description,
    category,
    price,
    currency,
    stock,
    is_in_stock,
    updated_at
from {{ ref('dim_products') }}
