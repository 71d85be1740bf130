package web

import "html/template"

// sprite holds the icons of a page. Each outcome has a shape of its own, so that none is told by colour alone.
const sprite template.HTML = `<svg class="sprite" aria-hidden="true" focusable="false" width="0" height="0">` +
	`<symbol id="i-pass" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="currentColor"/><path class="cut" d="M4.6 8.3l2.3 2.3 4.5-4.9"/></symbol>` +
	`<symbol id="i-warn" viewBox="0 0 16 16"><path fill="currentColor" d="M8 1.2c.5 0 .9.3 1.1.7l5.9 10.9c.5.9-.1 2-1.1 2H2.1c-1 0-1.6-1.1-1.1-2L6.9 1.9c.2-.4.6-.7 1.1-.7z"/><path class="cut" d="M8 5.5v4"/><circle class="dot" cx="8" cy="12" r="1"/></symbol>` +
	`<symbol id="i-fail" viewBox="0 0 16 16"><path fill="currentColor" d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/><path class="cut" d="M5.5 5.5l5 5m0-5l-5 5"/></symbol>` +
	`<symbol id="i-none" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.6 2.27"/><path d="M5.2 8h5.6" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/></symbol>` +
	`<symbol id="i-trouble" viewBox="0 0 16 16"><path fill="currentColor" d="M9.6 0.8L2.6 9.2h4.3L5.7 15.2l7.7-8.9H8.8z"/></symbol>` +
	`<symbol id="i-wait" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M8 4.5V8l2.3 1.6" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/></symbol>` +
	`<symbol id="i-up" viewBox="0 0 10 10"><path fill="currentColor" d="M5 2l4 5.5H1z"/></symbol>` +
	`<symbol id="i-down" viewBox="0 0 10 10"><path fill="currentColor" d="M5 8L1 2.5h8z"/></symbol>` +
	`<symbol id="i-both" viewBox="0 0 10 10"><path fill="currentColor" d="M5 0.5l2.8 3.5H2.2zM5 9.5L2.2 6h5.6z"/></symbol>` +
	`<symbol id="i-x" viewBox="0 0 10 10"><path d="M2 2l6 6m0-6L2 8" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></symbol>` +
	`<symbol id="i-gem" viewBox="0 0 24 24"><path fill="currentColor" d="M7 2h10l6 7-11 13L1 9z"/><path class="facet" d="M1 9h22M7 2l-0.5 7L12 22l5.5-13L17 2M6.5 9L12 2l5.5 7"/></symbol>` +
	`</svg>`
