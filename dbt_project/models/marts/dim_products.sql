{{ config(
    materialized='keyed',
    unique_key='product_id',
    meta={'changes': {
        'inputs': {
            'stg_shop__products': 'product_id',
            'stg_shop__inventory': 'product_id',
        },
    }},
) }}

with products as (

    select
        product_id,
        sku,
        slug,
        description,
        category,
        currency,
        price_cents,
        updated_at
    from {{ ref('stg_shop__products') }}

),

stock_per_product as (

    select
        product_id,
        sum(quantity) as quantity
    from {{ ref('stg_shop__inventory') }}
    group by product_id

),

joined as (

    select
        products.product_id,
        products.sku,
        coalesce({{ slug_to_title('products.slug') }}, products.sku) as title,
        products.description,
        products.category,
        products.currency,
        {{ cents_to_currency('products.price_cents') }} as price,
        case
            when stock_per_product.quantity > 0
                then {{ dbt.safe_cast('stock_per_product.quantity', 'bigint') }}
            else 0
        end as stock,
        products.updated_at
    from products
    left join stock_per_product
        on products.product_id = stock_per_product.product_id

)

select
    product_id,
    sku,
    title,
    description,
    category,
    currency,
    price,
    stock,
    stock > 0 as is_in_stock,
    updated_at
from joined
