base:
  'browser-*':
    - highstate
