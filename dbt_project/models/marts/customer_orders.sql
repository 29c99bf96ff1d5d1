{{ config(
    materialized='keyed',
    unique_key='customer_id',
    meta={'changes': {
        'inputs': {'fct_orders': 'customer_id'},
    }},
) }}

select
    customer_id,
    count(*) as order_count,
    {{ dbt.safe_cast('sum(case when is_revenue then 1 else 0 end)', 'bigint') }}
        as revenue_order_count,
    -- DuckDB reads the sum's own type, of 38 digits, thirty times as slowly.
    {{ dbt.safe_cast('sum(case when is_revenue then total end)', 'decimal(18, 2)') }}
        as revenue,
    min(placed_at) as first_order_at,
    max(placed_at) as last_order_at
from {{ ref('fct_orders') }}
where customer_id is not null
group by customer_id
