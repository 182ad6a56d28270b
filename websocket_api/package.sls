# What the engine needs beside Salt, in Salt's own Python: salt-pip in Salt's packages, pip where pip installed Salt.
# It is looked for at every run, for it is gone when a package of Salt brings another Python.
{%- from "websocket_api/map.jinja" import api with context %}

websocket_api_packages:
  pip.installed:
    - pkgs: {{ api.packages | json }}
{%- for name, value in api.pip.items() %}
    - {{ name }}: {{ value | json }}
{%- endfor %}
    - reload_modules: true
