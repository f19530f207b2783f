/* What makes a flame graph answer to a mouse. Without scripts the picture is the same. */
#ifndef CLEW_REPORT_FLAME_SCRIPT_H
#define CLEW_REPORT_FLAME_SCRIPT_H

#define CLEW__FLAME_BUTTONS                                                                                  \
    "<text id=\"all\" class=\"b\" x=\"1190\" y=\"22\" text-anchor=\"end\">show all</text>\n"                 \
    "<text id=\"find\" class=\"b\" x=\"1190\" y=\"42\" text-anchor=\"end\">search</text>\n"

/* Names are only ever read as text. A click on a box gives it the whole width: boxes above it span it, boxes
 * beside it go. Labels are cut anew, at seven pixels a character as in the picture. */
#define CLEW__FLAME_SCRIPT                                                                                   \
    "<script><![CDATA[\n"                                                                                    \
    "(function(){var L=10,W=1180,C=7,fs=[].slice.call(document.querySelectorAll('.f')).map(function(g){\n"   \
    "var r=g.querySelector('rect'),t=g.querySelector('text');\n"                                             \
    "return{g:g,r:r,t:t,x:+r.getAttribute('x'),w:+r.getAttribute('width'),y:+r.getAttribute('y'),\n"         \
    "n:g.querySelector('title').textContent.split('\\n')[0]}});\n"                                           \
    "function zoom(z){var k=W/z.w;fs.forEach(function(f){var e=.01,a=f.x-z.x,up=f.y<z.y&&f.x<=z.x+e&&\n"     \
    "f.x+f.w>=z.x+z.w-e,inside=f.y>=z.y&&a>=-e&&f.x+f.w<=z.x+z.w+e,show=up||inside;\n"                       \
    "f.g.style.display=show?'':'none';f.g.classList.toggle('dim',up);if(!show)return;\n"                     \
    "var x=up?L:L+a*k,w=up?W:f.w*k,n=Math.floor(w/C);f.r.setAttribute('x',x);f.r.setAttribute('width',w);\n" \
    "f.t.setAttribute('x',x+3);f.t.textContent=n<3?'':f.n.length>n?f.n.slice(0,n-1)+'\\u2026':f.n})}\n"      \
    "fs.forEach(function(f){f.g.addEventListener('click',function(){zoom(f)})});\n"                          \
    "document.getElementById('all').addEventListener('click',function(){zoom({x:L,w:W,y:0})});\n"            \
    "document.getElementById('find').addEventListener('click',function(){\n"                                 \
    "var s=prompt('Part of a name:');if(s===null)return;s=s.toLowerCase();fs.forEach(function(f){\n"         \
    "f.g.classList.toggle('hit',s!==''&&f.n.toLowerCase().indexOf(s)>=0)})})})();\n"                         \
    "]]></script>\n"

#endif
