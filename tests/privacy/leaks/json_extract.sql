-- A value is read out of JSON that another CTE has made.
-- caught_by: proof
-- says: shows shop.customers.email

with packed as (
    select to_json(struct_pack(c := country, e := email)) as info from {{ ref('dim_customers') }}
)

select info ->> '$.e' as k from packed
