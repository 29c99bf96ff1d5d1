-- A sample of one row.
-- caught_by: proof
-- says: shows shop.customers.email

select email as k from {{ ref('dim_customers') }} using sample 1 rows
