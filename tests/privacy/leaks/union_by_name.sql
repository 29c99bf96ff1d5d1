-- A union by name brings another column than its place says.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k, country as note from {{ ref('dim_customers') }}
union all by name
select email as note, country as k from {{ ref('dim_customers') }}
