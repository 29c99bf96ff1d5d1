-- The view of one's own is joined back to the people by the pseudonym.
-- caught_by: proof
-- says: shows shop.customers.email

with masked as (
    select {{ pseudonym('customer_id', 'customer', 'cus') }} as customer_key, country from {{ ref('dim_customers') }}
)

select masked.customer_key as k, people.email as e
from masked
join {{ ref('dim_customers') }} as people
    on {{ pseudonym('people.customer_id', 'customer', 'cus') }} = masked.customer_key
