base:
  'browser-*':
    - site
