base:
  'browser-*':
    - site
  'browser-minion':
    - watched
