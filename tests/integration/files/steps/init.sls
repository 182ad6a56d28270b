# Two states that report from within: through module.run, and from a state module.
report by module.run:
  module.run:
    - steps.walk:
      - 10
      - 20

report from a state:
  steps.walked:
    - percents: [30, 60, 100]
