-- A date of birth as text.
-- caught_by: proof
-- says: shows shop.customers.birth_date

select strftime(birth_date, '%d %B %Y') as k
from {{ ref('dim_customers') }}
