# What the engine needs beside Salt, where the master's own Python finds it: salt-pip in Salt's packages, pip where pip
# installed Salt. It is looked for at every run, for it is gone when a package of Salt brings another Python.
{%- from "websocket_api/map.jinja" import api with context %}
{%- include "websocket_api/own.jinja" %}

websocket_api_packages:
  websocket_api.packages:
    - settings: {{ api | json }}
    - reload_modules: true
