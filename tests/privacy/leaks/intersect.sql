-- A list of guesses is cut down to those that exist.
-- caught_by: proof
-- says: shows shop.customers.email

select guess as k from (values ('ana@example.com')) as guesses (guess)
intersect
select email from {{ ref('dim_customers') }}
