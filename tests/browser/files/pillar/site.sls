database:
  host: db.example.com
  licence: not-for-the-screen
ports: [80, 443]
