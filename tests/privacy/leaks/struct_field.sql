-- A struct carries the value through a CTE.
-- caught_by: proof
-- says: shows shop.customers.phone

with packed as (
    select {'a': country, 'b': phone} as info from {{ ref('dim_customers') }}
)

select info.b as k from packed
