# Four states that take long enough to be seen one by one. With a folder as the pillar's gate each waits there for a
# file of the progress before it.
{% set gate = salt["pillar.get"]("gate", "") %}
{% for number in range(4) %}
step {{ number }}:
{% if gate %}
  cmd.run:
    - name: until [ -e {{ gate }}/{{ 25 * number }} ] || [ -e {{ gate }}/all ]; do sleep 0.1; done
{% else %}
  module.run:
    - test.sleep:
      - length: 1
{% endif %}
{% endfor %}
