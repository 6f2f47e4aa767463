#!/usr/bin/env node
// Not dist/main.js itself: npm makes a command executable when it installs it, and in a clone that is before the build.
import '../dist/main.js'
