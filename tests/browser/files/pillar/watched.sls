# What one of the two minions does by itself. Nothing of it runs while tests do.
schedule:
  nightly:
    function: test.ping
    hours: 24
    enabled: false
    run_on_start: false
beacons:
  load:
    - enabled: false
    - averages:
        1m: [0.0, 100.0]
mine_functions:
  test.arg: [sent to the mine]
