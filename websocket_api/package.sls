# Install the engine's packages where the master's Python finds them: with salt-pip for Salt's packages, else with pip.
# Each run checks them, because they are lost when an update of Salt brings another Python.
{%- from "websocket_api/map.jinja" import api with context %}
{%- include "websocket_api/own.jinja" %}

websocket_api_packages:
  websocket_api.packages:
    - settings: {{ api | json }}
    - reload_modules: true
