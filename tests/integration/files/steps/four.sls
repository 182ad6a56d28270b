# Four states that take long enough to be seen one by one. With a folder as the pillar's gate each waits there for a
# file of the progress before it.
{% set gate = salt["pillar.get"]("gate", "") %}
{% for number in range(4) %}
step {{ number }}:
  module.run:
{% if gate %}
    - steps.wait:
      - {{ gate }}/{{ 25 * number }}
{% else %}
    - test.sleep:
      - length: 1
{% endif %}
{% endfor %}
