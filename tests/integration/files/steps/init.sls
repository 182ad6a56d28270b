# Two states that report from within: through module.run, and from a state module. With a folder as the pillar's gate
# they wait after each report for a file there.
{% set gate = salt["pillar.get"]("gate", none) | json %}
report by module.run:
  module.run:
    - steps.walk:
      - 10
      - 20
      - gate: {{ gate }}

report from a state:
  steps.walked:
    - percents: [30, 60, 100]
    - gate: {{ gate }}
