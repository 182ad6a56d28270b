# Four states that take long enough to be seen one by one.
{% for number in range(4) %}
step {{ number }}:
  module.run:
    - test.sleep:
      - length: 1
{% endfor %}
