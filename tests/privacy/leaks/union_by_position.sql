-- A union by position brings another column than its name says.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k from {{ ref('dim_customers') }}
union all
select email as country from {{ ref('dim_customers') }}
