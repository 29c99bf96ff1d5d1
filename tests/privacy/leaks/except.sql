-- What is left after taking away nothing.
-- caught_by: proof
-- says: shows shop.customers.full_name

select full_name as k from {{ ref('dim_customers') }}
except
select 'nobody'
